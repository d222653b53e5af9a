//! The rows of a number table's files: CSV, a range or a prefix each.
//!
//! A file whose first row names `mcc` has a header: `prefix`, or `from` and `to`, or all three of which a row fills one kind;
//! `mcc`; if wanted `mnc` and `name`; other columns are not looked at. Without a header a row of four columns is
//! `prefix,mcc,mnc,name` and a row of five `from,to,mcc,mnc,name`. Blank lines and those that begin with # are skipped, a
//! field may be quoted as CSV does, on one line. What is wrong is told with its file and line.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{MOST_DIGITS, MobileNetwork, Numbers, Reading, all_that_begin, in_order, mcc, mnc};
use crate::config::pattern::significant;
use crate::config::reader::{Value, shown};

pub(in crate::config) const LONGEST_FILE: usize = 64 << 20;
/// Of one file's wrong lines so many are told one by one.
const MOST_TOLD: usize = 50;
const LONGEST_NAME: usize = 128;

const FORMS: &str = "without a header a row is prefix,mcc,mnc,name or from,to,mcc,mnc,name";

/// The numbers from `first` to `last`, by their order, and where the row stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) first: u64,
    pub(super) last: u64,
    /// How many numbers of 15 digits these are.
    pub(super) width: u64,
    pub(super) network: u32,
    file: u16,
    line: u32,
}

/// The rows of all files so far.
pub(super) struct Table {
    most_rows: usize,
    rows: Vec<Row>,
    networks: Vec<MobileNetwork>,
    positions: HashMap<MobileNetwork, u32>,
    /// As they were written, and where in the configuration.
    files: Vec<(String, String)>,
}

/// Where a row's fields are.
struct Columns {
    count: usize,
    prefix: Option<usize>,
    range: Option<(usize, usize)>,
    mcc: usize,
    mnc: Option<usize>,
    name: Option<usize>,
}

const PREFIX_FORM: Columns = Columns { count: 4, prefix: Some(0), range: None, mcc: 1, mnc: Some(2), name: Some(3) };
const RANGE_FORM: Columns =
    Columns { count: 5, prefix: None, range: Some((0, 1)), mcc: 2, mnc: Some(3), name: Some(4) };

impl Table {
    pub(super) fn new(most_rows: usize) -> Self {
        Self { most_rows, rows: Vec::new(), networks: Vec::new(), positions: HashMap::new(), files: Vec::new() }
    }

    pub(super) fn read(&mut self, value: &Value<'_>) {
        let Some(file) = value.scalar() else { return };
        let path = value.reading.surroundings.base.join(file);
        match (value.reading.surroundings.file)(&path) {
            Ok(octets) if octets.len() > LONGEST_FILE => {
                value.problem(format!("the file {} is longer than 64 MiB", path.display()));
            }
            Ok(octets) => {
                self.files.push((file.to_owned(), value.path.clone()));
                let rows_before = self.rows.len();
                let wrong = self.read_lines(file, &octets, value);
                if wrong > MOST_TOLD {
                    value.problem(format!("{file}: {} more lines are wrong; they are not listed", wrong - MOST_TOLD));
                } else if wrong == 0 && self.rows.len() == rows_before {
                    value.problem(format!("{file} holds no range"));
                }
            }
            Err(error) => value.problem(format!("the file {} cannot be read: {error}", path.display())),
        }
    }

    /// How many lines are wrong.
    fn read_lines(&mut self, file: &str, octets: &[u8], value: &Value<'_>) -> usize {
        let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
        let lines = octets.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
        let mut lines = (1_u32..).zip(lines).filter(|(_, text)| !text.is_empty() && text[0] != b'#').peekable();
        let mut fields = Vec::new();
        let mut header = None;
        if let Some((line, text)) = lines.next_if(|(_, text)| is_header(text)) {
            match split(text, &mut fields).and_then(|()| read_header(&fields)) {
                Ok(columns) => header = Some(columns),
                Err(message) => {
                    // It says nothing about the rows below it.
                    value.problem(format!("{file} line {line}: {message}"));
                    return 1;
                }
            }
        }
        let mut wrong = 0;
        for (line, text) in lines {
            if self.rows.len() == self.most_rows {
                let most = self.most_rows;
                value.problem(format!(
                    "{file} line {line}: is a row too many: at most {most} are possible, all files together"
                ));
                return wrong.max(1);
            }
            let result = split(text, &mut fields).and_then(|()| match (&header, fields.len()) {
                (Some(header), _) => self.add(header, &fields, line),
                (None, 4) => self.add(&PREFIX_FORM, &fields, line),
                (None, 5) => self.add(&RANGE_FORM, &fields, line),
                (None, count) => Err(format!("has {count} columns; {FORMS}")),
            });
            if let Err(message) = result {
                wrong += 1;
                if wrong <= MOST_TOLD {
                    value.problem(format!("{file} line {line}: {message}"));
                }
            }
        }
        wrong
    }

    fn add(&mut self, columns: &Columns, fields: &[Cow<'_, str>], line: u32) -> Result<(), String> {
        if fields.len() != columns.count {
            return Err(format!("has {} columns, and the header {}", fields.len(), columns.count));
        }
        let quoted = |field: usize, message: String| format!("{}: {message}", shown(&fields[field]));
        let optional = |field: Option<usize>| field.filter(|field| !fields[*field].is_empty());
        let prefix = optional(columns.prefix);
        let range = columns.range.filter(|(from, to)| !fields[*from].is_empty() || !fields[*to].is_empty());
        let read = |field: usize| number(&fields[field]).map_err(|message| quoted(field, message));
        let (mut from, mut to) = match (prefix, range) {
            (Some(prefix), None) => (read(prefix)?, read(prefix)?),
            (None, Some((from, to))) => (read(from)?, read(to)?),
            (Some(_), Some(_)) => return Err("has a prefix and a range: only one can be meant".to_owned()),
            (None, None) => return Err("has neither a prefix nor a range".to_owned()),
        };
        if from.len() != to.len() {
            return Err("`from` and `to` must have as many digits".to_owned());
        }
        if from > to {
            return Err("`from` must not be above `to`".to_owned());
        }
        // 4910 to 4919 are the numbers that begin with 491.
        while let (Some(b'0'), Some(b'9'), 2..) = (from.last(), to.last(), from.len()) {
            (from, to) = (&from[..from.len() - 1], &to[..to.len() - 1]);
        }
        let network = MobileNetwork {
            mcc: mcc(&fields[columns.mcc]).map_err(|message| quoted(columns.mcc, message))?,
            mnc: match optional(columns.mnc) {
                Some(field) => Some(mnc(&fields[field]).map_err(|message| quoted(field, message))?),
                None => None,
            },
            name: columns.name.map_or_else(String::new, |name| fields[name].clone().into_owned()),
        };
        if network.name.len() > LONGEST_NAME || network.name.contains(char::is_control) {
            return Err(format!("the name must be at most {LONGEST_NAME} octets of text"));
        }
        let network = self.position_of(network);
        let file = u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX);
        let (Some(first), Some(last)) = (in_order(from), in_order(to)) else { return Ok(()) };
        let last = last + all_that_begin(to.len()) - 1;
        let value = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        let width = (value(to) - value(from) + 1) * 10_u64.pow((MOST_DIGITS - to.len()) as u32);
        self.rows.push(Row { first, last, width, network, file, line });
        Ok(())
    }

    fn position_of(&mut self, network: MobileNetwork) -> u32 {
        if let Some(position) = self.positions.get(&network) {
            return *position;
        }
        let position = self.networks.len() as u32;
        self.networks.push(network.clone());
        self.positions.insert(network, position);
        position
    }

    /// Of two rows for the same numbers neither is the narrower.
    pub(super) fn report_equals(&mut self, reading: &Reading<'_>) {
        self.rows.sort_unstable_by_key(|row| (row.first, row.last, row.file, row.line));
        let equals = |pair: &[Row]| (pair[0].first, pair[0].last) == (pair[1].first, pair[1].last);
        let mut told = 0;
        for pair in self.rows.windows(2).filter(|pair| equals(pair)) {
            let [before, row] = [pair[0], pair[1]];
            let (file, path) = &self.files[usize::from(row.file)];
            told += 1;
            if told > MOST_TOLD {
                reading.problem(path.clone(), "there are more rows for the same numbers; they are not listed");
                return;
            }
            let other = &self.files[usize::from(before.file)].0;
            let message = format!("{file} line {}: says the same numbers as {other} line {}", row.line, before.line);
            reading.problem(path.clone(), message);
        }
    }

    pub(super) fn into_numbers(self) -> Numbers {
        Numbers::new(self.rows, self.networks)
    }
}

/// Whether a file's first row names its columns.
fn is_header(line: &[u8]) -> bool {
    let mut fields = Vec::new();
    split(line, &mut fields).is_ok() && fields.iter().any(|field| field.eq_ignore_ascii_case("mcc"))
}

/// The digits of a number.
fn number(text: &str) -> Result<&[u8], String> {
    let digits = significant(text.as_bytes());
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("must be the digits of a number, with its country code".to_owned());
    }
    if digits.len() > MOST_DIGITS {
        return Err(format!("has more than {MOST_DIGITS} digits"));
    }
    Ok(digits)
}

fn read_header(fields: &[Cow<'_, str>]) -> Result<Columns, String> {
    let at = |name: &str| {
        let mut found = (0..fields.len()).filter(|at| fields[*at].eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(format!("the header has {name} twice")),
            (at, None) => Ok(at),
        }
    };
    let range = match (at("from")?, at("to")?) {
        (Some(from), Some(to)) => Some((from, to)),
        (None, None) => None,
        (Some(_), None) => return Err("the header has `from` and no `to`".to_owned()),
        (None, Some(_)) => return Err("the header has `to` and no `from`".to_owned()),
    };
    let prefix = at("prefix")?;
    if prefix.is_none() && range.is_none() {
        return Err("the header needs `prefix`, or `from` and `to`".to_owned());
    }
    let mcc = at("mcc")?.ok_or("the header needs `mcc`")?;
    Ok(Columns { count: fields.len(), prefix, range, mcc, mnc: at("mnc")?, name: at("name")? })
}

/// The fields of a line, without the spaces around them.
fn split<'t>(line: &'t [u8], fields: &mut Vec<Cow<'t, str>>) -> Result<(), String> {
    fields.clear();
    let mut rest = std::str::from_utf8(line).map_err(|_| "is not UTF-8")?;
    loop {
        let (field, behind) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return Err("has a quote within a field: quote the whole field, and double that quote".to_owned());
                }
                (Cow::Borrowed(rest[..end].trim()), &rest[end..])
            }
        };
        fields.push(field);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(()),
        }
    }
}

/// A field behind its opening quote, and the rest of the line from the next comma on.
fn unquote(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let mut field = Cow::Borrowed("");
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or("has a quote that is not closed on this line")?;
        field += &rest[..end];
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field += "\"";
                rest = more;
            }
            None => break,
        }
    }
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with(',') {
        Ok((field, rest))
    } else {
        Err("has something between a closing quote and the next comma".to_owned())
    }
}

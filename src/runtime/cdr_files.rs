//! The files of one shard's call detail records: one is open and grows, closed ones never change again.
//!
//! `cdr-NODE-SHARD-FIRST.jsonl.open` becomes `cdr-NODE-SHARD-FIRST-LAST.jsonl` by its size, its age or another format, and then
//! `….jsonl.sum` says how many lines it has and its SHA-256. Whoever collects them takes those that have a sum. Numbers in names have
//! leading zeros, so that names sort as lines do.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::digest;
use serde_json::json;

use crate::config::{Cdr, CdrFormat, Config};
use crate::engine::cdr::{Line, Lines};
use crate::runtime::cdr_text::{CSV_HEADER, Writer};
use crate::runtime::store_files::StoreError;
use crate::store::cdr_lines::CdrJournals;

/// Those who bill read them, and nobody else: they hold numbers. Whatever the umask, for the unit's leaves them to the gateway alone.
const FILE_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

#[derive(Debug)]
pub struct CdrFiles {
    config: Cdr,
    writer: Writer,
    open: Option<OpenFile>,
    /// The sequence of the last line that is synced.
    last: u64,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    first: u64,
    /// Synced: what lies behind is not counted.
    lines: u64,
    octets: u64,
    digest: Digest,
    /// Unix seconds.
    closes_at: u64,
}

#[derive(Clone)]
struct Digest(digest::Context);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

/// Opens the files of as many shards, none when none are configured. Lines of shards that are no more are written here and now.
pub fn open_all(config: &Config, shards: usize, found: &CdrJournals) -> Result<Vec<Option<CdrFiles>>, StoreError> {
    let Some(cdr) = &config.cdr else {
        if found.iter().next().is_some() {
            tracing::warn!("cdr is not configured any more: lines that no file has yet are dropped");
        }
        return Ok((0..shards).map(|_| None).collect());
    };
    let failed = |error| StoreError::io(&cdr.path, "write call detail records in", error);
    for (journal, lines) in found.iter().filter(|(journal, _)| usize::from(*journal) >= shards) {
        let mut files = CdrFiles::open(cdr, config.node, journal).map_err(failed)?;
        let written = lines.values().map(|line| line.written).fold(files.last, u64::max);
        let lacking = || lines.iter().filter(|(sequence, _)| **sequence > written);
        let mut lines = Lines::from(written + 1);
        lacking().for_each(|(_, line)| lines.push(&line.octets));
        files.append(&lines, 0).and_then(|()| files.close()).map_err(failed)?;
    }
    (0..shards)
        .map(|shard| CdrFiles::open(cdr, config.node, shard as u16).map(Some))
        .collect::<io::Result<_>>()
        .map_err(failed)
}

impl CdrFiles {
    /// Takes up what an earlier process left open; what it did not write whole is cut off.
    pub fn open(config: &Cdr, node: u16, shard: u16) -> io::Result<Self> {
        if !config.path.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&config.path)?;
            let _ = fs::set_permissions(&config.path, Permissions::from_mode(DIRECTORY_MODE));
        }
        let writer = Writer { node, shard, format: config.format };
        let mut files = Self { config: config.clone(), writer, open: None, last: 0 };
        let prefix = files.prefix();
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(&config.path)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| name.starts_with(&prefix)));
        }
        names.sort_unstable();
        let is_closed = |name: &&String| {
            name[prefix.len()..]
                .split_once('.')
                .is_some_and(|(_, rest)| format_of(rest).is_some() && !rest.ends_with(".open"))
        };
        let newest = names.iter().rfind(is_closed);
        for name in &names {
            let numbers = name[prefix.len()..].split_once('.');
            let Some((numbers, format)) = numbers.and_then(|(numbers, rest)| Some((numbers, format_of(rest)?))) else {
                continue;
            };
            match (numbers.split_once('-'), name.ends_with(".open")) {
                (Some((first, last)), false) => {
                    let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>()) else { continue };
                    files.last = files.last.max(last);
                    // The process ended between the two.
                    if newest == Some(name) {
                        files.sum_up(&config.path.join(name), (first, last))?;
                    }
                }
                (None, true) => {
                    let Ok(first) = numbers.parse() else { continue };
                    files.close()?;
                    files.take_up(config.path.join(name), format, first)?;
                }
                _ => {}
            }
        }
        Ok(files)
    }

    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.config.path
    }

    /// The sequence of the last line that is written and synced.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Writes and syncs these lines, and closes a file whose time is over. After an error the same lines are to be given again.
    pub fn append(&mut self, lines: &Lines, now: u64) -> io::Result<()> {
        if self.open.as_ref().is_some_and(OpenFile::is_removed) {
            tracing::error!(path = %self.directory().display(), "the open file of call detail records was removed");
            self.open = None;
        }
        if self.open.as_ref().is_some_and(|open| open.is_over(now, self.span())) {
            self.close()?;
        }
        if lines.is_empty() || lines.last() <= self.last {
            return Ok(());
        }
        if lines.first > self.last + 1 {
            // Lines of an earlier time went with their files: a new file shows the gap by its name.
            self.close()?;
            self.last = lines.first - 1;
        }
        if self.open.is_none() {
            self.begin(now)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut text = Vec::new();
        let mut count = 0;
        for (sequence, octets) in lines.iter().filter(|(sequence, _)| *sequence > self.last) {
            // What no version of this program wrote leaves its number behind.
            self.writer.write(sequence, &Line::read(octets).unwrap_or_default(), &mut text);
            count += 1;
        }
        if let Err(error) = open.write(&text, count) {
            self.abandon();
            return Err(error);
        }
        self.last = lines.last();
        if open.octets >= self.config.size {
            self.close()?;
        }
        Ok(())
    }

    /// Closes the open file, if there is one: its name then says what it has. While there is no room for its sum it stays open, for
    /// once another follows nobody would write that.
    pub fn close(&mut self) -> io::Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        if open.lines == 0 {
            let removed = fs::remove_file(&open.path);
            self.open = None;
            return removed;
        }
        let (first, last) = (open.first, open.first + open.lines - 1);
        let format = format_of_open(&open.path).unwrap_or(self.writer.format);
        let path = self.config.path.join(format!("{}{first:020}-{last:020}.{}", self.prefix(), extension(format)));
        let half = write_half(&path, (first, last), open.octets, open.digest.clone())?;
        let renamed = fs::rename(&open.path, &path);
        self.open = None;
        if let Err(error) = renamed {
            let _ = fs::remove_file(half);
            return Err(error);
        }
        fs::rename(half, sum_path(&path))?;
        self.sync_directory()
    }

    fn prefix(&self) -> String {
        format!("cdr-{:04}-{:03}-", self.writer.node, self.writer.shard)
    }

    fn begin(&mut self, now: u64) -> io::Result<()> {
        let first = self.last + 1;
        let name = format!("{}{first:020}.{}.open", self.prefix(), extension(self.writer.format));
        let path = self.config.path.join(name);
        // One that is there has no line that counts.
        let file = create(&path)?;
        let digest = Digest(digest::Context::new(&digest::SHA256));
        let mut open = OpenFile { file, path, first, lines: 0, octets: 0, digest, closes_at: self.closes_at(now) };
        if self.writer.format == CdrFormat::Csv {
            open.write(CSV_HEADER.as_bytes(), 0)?;
        }
        self.open = Some(open);
        self.sync_directory()
    }

    /// Files of an hour end with the hour, and those of any span with its multiples.
    fn closes_at(&self, now: u64) -> u64 {
        (now / self.span() + 1) * self.span()
    }

    fn span(&self) -> u64 {
        self.config.rotate.as_secs().max(1)
    }

    /// After a failed sync nobody knows what the disk holds of what was written: the file ends where it was synced last, and is closed
    /// before anything else is written.
    fn abandon(&mut self) {
        let Some(open) = &mut self.open else { return };
        let cut = open.file.set_len(open.octets).and_then(|()| open.file.sync_all());
        match cut {
            Ok(()) => open.closes_at = 0,
            Err(_) => self.open = None,
        }
    }

    /// Goes on with a file that was open when the process ended; in another format another one follows.
    fn take_up(&mut self, path: PathBuf, format: CdrFormat, first: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut octets = Vec::new();
        file.read_to_end(&mut octets)?;
        let writer = Writer { format, ..self.writer };
        let (mut at, mut lines) = (if format == CdrFormat::Csv { CSV_HEADER.len() } else { 0 }, 0);
        let has_header = format == CdrFormat::Jsonl || octets.starts_with(CSV_HEADER.as_bytes());
        while has_header
            && let Some(len) = octets[at..].iter().position(|octet| *octet == b'\n')
            && writer.is_whole(first + lines, &octets[at..at + len])
        {
            (at, lines) = (at + len + 1, lines + 1);
        }
        let cut = octets.len() - if lines == 0 { 0 } else { at };
        if cut > 0 {
            tracing::warn!(file = %path.display(), lines, octets = cut, "behind so many lines its end is no line, and is cut off");
        }
        if lines == 0 {
            // Nothing says that lines came before it but its name, and that was given when they had.
            self.last = self.last.max(first - 1);
            return fs::remove_file(&path);
        }
        let born = file.metadata()?.mtime().max(0) as u64;
        file.set_len(at as u64)?;
        file.sync_all()?;
        let file = OpenOptions::new().append(true).open(&path)?;
        let mut digest = Digest(digest::Context::new(&digest::SHA256));
        digest.0.update(&octets[..at]);
        let closes_at = self.closes_at(born);
        self.open = Some(OpenFile { file, path, first, lines, octets: at as u64, digest, closes_at });
        self.last = self.last.max(first + lines - 1);
        if format == self.writer.format { Ok(()) } else { self.close() }
    }

    fn sum_up(&self, path: &Path, span: (u64, u64)) -> io::Result<()> {
        if sum_path(path).exists() {
            return Ok(());
        }
        let mut octets = Vec::new();
        File::open(path)?.read_to_end(&mut octets)?;
        let mut digest = Digest(digest::Context::new(&digest::SHA256));
        digest.0.update(&octets);
        let half = write_half(path, span, octets.len() as u64, digest)?;
        fs::rename(half, sum_path(path))?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.config.path)?.sync_all()
    }
}

impl OpenFile {
    fn write(&mut self, text: &[u8], lines: u64) -> io::Result<()> {
        self.file.write_all(text)?;
        self.file.sync_data()?;
        self.digest.0.update(text);
        (self.octets, self.lines) = (self.octets + text.len() as u64, self.lines + lines);
        Ok(())
    }

    /// Its time is over, or the clock was far ahead when that was said.
    fn is_over(&self, now: u64, span: u64) -> bool {
        self.closes_at <= now || self.closes_at > now.saturating_add(span.saturating_mul(2))
    }

    fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }
}

/// Of its mode whatever the umask, which a unit may have so that nobody else reads the store.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    // Some file systems have none.
    let _ = file.set_permissions(Permissions::from_mode(FILE_MODE));
    Ok(file)
}

/// Writes what is to be the sum of this file, once that has its name. Returns where.
fn write_half(path: &Path, (first, last): (u64, u64), octets: u64, digest: Digest) -> io::Result<PathBuf> {
    let sha256: String = digest.0.finish().as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let sum = json!({ "file": file, "lines": last - first + 1, "first": first, "last": last, "octets": octets, "sha256": sha256 });
    let half = path.with_extension("half");
    let mut written = create(&half)?;
    written.write_all(format!("{sum}\n").as_bytes())?;
    written.sync_all()?;
    Ok(half)
}

fn sum_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sum");
    name.into()
}

fn extension(format: CdrFormat) -> &'static str {
    match format {
        CdrFormat::Jsonl => "jsonl",
        CdrFormat::Csv => "csv",
    }
}

/// Of what stands behind the numbers of a name; `None` of a sum, and of what is no file of ours.
fn format_of(rest: &str) -> Option<CdrFormat> {
    let rest = rest.strip_suffix(".open").unwrap_or(rest);
    [CdrFormat::Jsonl, CdrFormat::Csv].into_iter().find(|format| extension(*format) == rest)
}

fn format_of_open(path: &Path) -> Option<CdrFormat> {
    let name = path.file_name()?.to_str()?;
    format_of(name.split_once('.')?.1)
}

#[cfg(test)]
mod tests;

//! The ledger: what a tool saw, line by line in a file, so that `trunkline reconcile` can hold both sides against each other.
//!
//! A line is words with one space between them; `line` says which. A tool writes whole lines in the order things happened on
//! each connection, in blocks, and ends its file with `end`: a ledger that was cut short is known by the lack of it.

mod line;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub use line::{LoadLine, SmscLine};

/// Octets gathered before they are written.
const BLOCK: usize = 64 << 10;

/// States of a message by their number in the TLV, less one (SMPP 3.4, section 5.2.28 and appendix B).
pub const STATES: [&str; 8] = ["ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD"];

/// The last line of every ledger.
pub const END: &str = "end";

/// Names a submit: its text begins with `<run>-<number>`, and so does the `text:` field of its receipts.
///
/// It is short enough for the 20 octets that a receipt repeats of its text (SMPP 3.4, appendix B).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tag {
    /// The run of the load, in eight hexadecimal digits.
    pub run: u32,
    /// Of that run, in ten decimal digits.
    pub number: u64,
}

impl Tag {
    /// Octets of a tag.
    pub const LEN: usize = 8 + 1 + Self::NUMBER;
    pub const NUMBER: usize = 10;

    /// The tag this text begins with.
    #[must_use]
    pub fn begins(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text.get(..Self::LEN)?).ok()?;
        let (run, number) = text.split_once('-')?;
        let is_decimal = number.len() == Self::NUMBER && number.bytes().all(|octet| octet.is_ascii_digit());
        let is_hex = run.len() == 8 && run.bytes().all(|octet| octet.is_ascii_hexdigit());
        let parsed = Self { run: u32::from_str_radix(run, 16).ok()?, number: number.parse().ok()? };
        (is_hex && is_decimal).then_some(parsed)
    }

    /// The same from a receipt's text, which repeats it in its last field.
    #[must_use]
    pub fn in_receipt(text: &[u8]) -> Option<Self> {
        let field = text.windows(5).position(|window| window.eq_ignore_ascii_case(b"text:"))?;
        Self::begins(&text[field + 5..])
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:010}", self.run, self.number)
    }
}

/// Octets as one word of a line: as they are if they are one, in hexadecimal if not, `-` if there are none.
#[must_use]
pub fn word(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok("") => Cow::Borrowed("-"),
        Ok(text) if text != "-" && text.bytes().all(|octet| octet.is_ascii_graphic()) => Cow::Borrowed(text),
        _ => Cow::Owned(octets.iter().fold("0x".to_owned(), |word, octet| word + &format!("{octet:02x}"))),
    }
}

/// A ledger's file, shared by the threads that write it.
#[derive(Clone)]
pub struct LedgerFile(Arc<Mutex<Open>>);

struct Open {
    file: File,
    /// The first error; nothing is written after it.
    failure: Option<String>,
    name: String,
}

impl LedgerFile {
    pub fn create(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|error| format!("{name}: {error}"))?;
        Ok(Self(Arc::new(Mutex::new(Open { file, failure: None, name }))))
    }

    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines { file: self.clone(), buffer: Vec::with_capacity(BLOCK + 1024) }
    }

    /// Ends the ledger once all its writers are gone; an error when a part of it could not be written.
    pub fn close(&self) -> Result<(), String> {
        self.write(format!("{END}\n").as_bytes());
        let open = self.0.lock().map_err(|_| "a writer of the ledger panicked".to_owned())?;
        open.failure.clone().map_or(Ok(()), |failure| Err(format!("{}: {failure}", open.name)))
    }

    fn write(&self, lines: &[u8]) {
        let Ok(mut open) = self.0.lock() else { return };
        if open.failure.is_none() {
            open.failure = open.file.write_all(lines).err().map(|error| error.to_string());
        }
    }
}

/// One thread's lines on their way into the file; dropped, it writes what it still has.
pub struct Lines {
    file: LedgerFile,
    buffer: Vec<u8>,
}

impl Lines {
    pub fn add(&mut self, line: &impl fmt::Display) {
        // Writing into memory cannot fail.
        let _ = writeln!(self.buffer, "{line}");
        if self.buffer.len() >= BLOCK {
            self.flush();
        }
    }

    pub fn flush(&mut self) {
        self.file.write(&self.buffer);
        self.buffer.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_back_from_a_text_and_from_a_receipt() {
        let tag = Tag { run: 0xBEEF, number: 42 };
        let text = format!("{tag} The quick brown fox");
        assert_eq!((tag.to_string().len(), Tag::begins(text.as_bytes())), (Tag::LEN, Some(tag)));
        let receipt = format!("id:1 sub:001 stat:DELIVRD err:000 text:{}", &text[..20]);
        assert_eq!(Tag::in_receipt(receipt.as_bytes()), Some(tag));
        for other in
            ["", "hello", "0000beef-00000004", "+000beef-0000000042", "0000beef-+000000042", "0000beef 0000000042"]
        {
            assert_eq!(Tag::begins(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_word_is_told_in_hexadecimal() {
        assert_eq!(word(b"beef"), "beef");
        assert_eq!((word(b""), word(b"-")), (Cow::Borrowed("-"), Cow::Owned("0x2d".to_owned())));
        assert_eq!((word(b"a b"), word(b"\xFF\0")), (Cow::Borrowed("0x612062"), Cow::Borrowed("0xff00")));
    }
}

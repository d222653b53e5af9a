//! A request's body: so many octets, or chunks until an empty one, with trailers behind.

use super::line::is_value;
use super::{Fault, MAX_HEAD};

/// Where in a body the next octet stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    Octets { left: u64 },
    Chunked(Chunked),
    Over,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Chunked {
    Size {
        size: u64,
        digits: u8,
    },
    /// Behind the semicolon; nobody needs these, and they are read over.
    Extension {
        size: u64,
        length: u16,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    Trailers {
        total: usize,
        line: usize,
        is_behind_cr: bool,
    },
}

/// Of the size of a chunk: more would be 4 GiB and above.
const SIZE_DIGITS: u8 = 8;
const EXTENSION: u16 = 256;

const ODD_SIZE: Fault = Fault::Malformed("A chunk's size is not a plain hexadecimal number.");
const ODD_END: Fault = Fault::Malformed("A chunk does not end in CR LF.");
const ODD_TRAILER: Fault = Fault::Malformed("A trailer is malformed.");

impl Body {
    pub(super) fn of_length(left: u64) -> Self {
        Self::Octets { left }
    }

    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunked::Size { size: 0, digits: 0 })
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Over | Self::Octets { left: 0 })
    }

    /// How many of the octets belong to it.
    pub(super) fn pass(&mut self, octets: &[u8]) -> Result<usize, Fault> {
        match self {
            Self::Over => Ok(0),
            Self::Octets { left } => Ok(take(left, octets)),
            Self::Chunked(chunked) => {
                let mut count = 0;
                while count < octets.len() {
                    if let Chunked::Data { left } = chunked {
                        count += take(left, &octets[count..]);
                        if *left == 0 {
                            *chunked = Chunked::DataCr;
                        }
                        continue;
                    }
                    let next = chunked.read(octets[count])?;
                    count += 1;
                    let Some(next) = next else {
                        *self = Self::Over;
                        break;
                    };
                    *chunked = next;
                }
                Ok(count)
            }
        }
    }
}

fn take(left: &mut u64, octets: &[u8]) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
    *left -= taken as u64;
    taken
}

impl Chunked {
    /// One octet that is no data; `None` when it was the last of the body.
    fn read(self, octet: u8) -> Result<Option<Self>, Fault> {
        let next = match (self, octet) {
            (Self::Size { size, digits }, _) if octet.is_ascii_hexdigit() && digits < SIZE_DIGITS => {
                let digit = (octet as char).to_digit(16).unwrap_or(0);
                Self::Size { size: size * 16 + u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { size, digits: 1.. } | Self::Extension { size, .. }, b'\r') => Self::SizeEnd { size },
            (Self::Size { size, digits: 1.. }, b';') => Self::Extension { size, length: 0 },
            (Self::Size { .. }, _) => return Err(ODD_SIZE),
            (Self::Extension { size, length }, _) if is_value(octet) && length < EXTENSION => {
                Self::Extension { size, length: length + 1 }
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Trailers { total: 0, line: 0, is_behind_cr: false },
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::Extension { .. } | Self::SizeEnd { .. }, _) => return Err(ODD_SIZE),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::DataCr | Self::DataLf | Self::Data { .. }, _) => return Err(ODD_END),
            (Self::Trailers { line: 0, is_behind_cr: true, .. }, b'\n') => return Ok(None),
            (Self::Trailers { total, is_behind_cr: true, .. }, b'\n') => {
                Self::Trailers { total, line: 0, is_behind_cr: false }
            }
            (Self::Trailers { total, line, is_behind_cr: false }, b'\r') => {
                Self::Trailers { total, line, is_behind_cr: true }
            }
            (Self::Trailers { total, line, is_behind_cr: false }, _) if is_value(octet) && total < MAX_HEAD => {
                if line == 0 && matches!(octet, b' ' | b'\t') {
                    return Err(ODD_TRAILER);
                }
                Self::Trailers { total: total + 1, line: line + 1, is_behind_cr: false }
            }
            (Self::Trailers { .. }, _) => return Err(ODD_TRAILER),
        };
        Ok(Some(next))
    }
}

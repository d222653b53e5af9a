//! What stands between the network and hyper: follows requests through the octets as they come, and finds where two readers could
//! disagree about where one ends (request smuggling, RFC 9112 section 11.2).
//!
//! It is stricter than the RFC where leniency has been abused, and never more lenient than hyper. A head is passed on whole, once
//! it was looked at; a body as it comes. Behind a fault nothing is passed any more.

mod body;
mod line;
#[cfg(test)]
mod tests;

use body::Body;
use line::Head;

/// A request's line and headers together, their line ends included.
pub const MAX_HEAD: usize = 8 << 10;
pub const MAX_HEADERS: u32 = 64;

/// Why nothing more of a connection is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Answered with 400, which says this.
    Malformed(&'static str),
    /// Answered with 431.
    HeadTooLarge,
}

/// How much of the octets may be passed on, and what is wrong behind them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Passed {
    pub count: usize,
    pub fault: Option<Fault>,
}

#[derive(Debug)]
pub struct Guard {
    at: At,
    /// Empty lines passed since the last request; some clients send one behind a body.
    empty_lines: u8,
}

#[derive(Debug)]
enum At {
    /// In a head, of which that many octets were looked at: whole lines.
    Head {
        looked: usize,
        head: Head,
    },
    Body(Body),
    Faulty(Fault),
}

impl Default for Guard {
    fn default() -> Self {
        Self { at: At::new_head(), empty_lines: 0 }
    }
}

impl At {
    fn new_head() -> Self {
        Self::Head { looked: 0, head: Head::default() }
    }
}

impl Guard {
    /// Looks at `octets`, which begin with what was not passed before.
    pub fn pass(&mut self, octets: &[u8]) -> Passed {
        let mut count = 0;
        let fault = loop {
            let rest = &octets[count..];
            let passed = match &mut self.at {
                At::Faulty(fault) => break Some(*fault),
                At::Body(body) => body.pass(rest),
                At::Head { .. } => self.pass_head(rest),
            };
            match passed {
                Ok(passed) => count += passed,
                Err(fault) => {
                    self.at = At::Faulty(fault);
                    break Some(fault);
                }
            }
            match &self.at {
                At::Body(body) if body.is_over() => self.at = At::new_head(),
                At::Body(_) | At::Head { .. } if passed == Ok(0) || count == octets.len() => break None,
                At::Body(_) | At::Head { .. } | At::Faulty(_) => {}
            }
        };
        Passed { count, fault }
    }

    /// Whether a head was passed whose body is not over.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        matches!(self.at, At::Body(_))
    }

    /// Passes a head that is whole, or empty lines before one.
    fn pass_head(&mut self, octets: &[u8]) -> Result<usize, Fault> {
        let At::Head { looked, head } = &mut self.at else { return Ok(0) };
        while let Some(length) = octets[*looked..].iter().position(|octet| *octet == b'\n') {
            let line = &octets[*looked..*looked + length];
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Fault::Malformed("A line of the head ends in LF alone."));
            };
            *looked += length + 1;
            if *looked > MAX_HEAD {
                return Err(Fault::HeadTooLarge);
            }
            if !line.is_empty() {
                head.read_line(line)?;
            } else if head.has_begun() {
                let passed = *looked;
                let body = head.body()?;
                self.empty_lines = 0;
                self.at = body.map_or_else(At::new_head, At::Body);
                return Ok(passed);
            } else if self.empty_lines == 2 {
                return Err(Fault::Malformed("There are empty lines before the request."));
            } else {
                self.empty_lines += 1;
                *looked = 0;
                return Ok(length + 1);
            }
        }
        if octets.len() > MAX_HEAD { Err(Fault::HeadTooLarge) } else { Ok(0) }
    }
}

//! What is known of passwords that were right: a keyed digest each, so that a bind costs a hash of argon2id once and not every time.
//!
//! Kept in a file of the store, `password-digests`, for the next start. Whoever can read it can try passwords fast, as whoever reads
//! a configuration with plain ones need not even try: its mode is 0600. A digest belongs to the very hash it was right for, so one
//! that the configuration has no more is forgotten with it. What cannot be read or written costs hashes again, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::hmac;

use crate::runtime::files;

/// What HMAC-SHA256 makes of something, under the file's key.
type Digest = [u8; 32];

pub struct PasswordDigests {
    directory: PathBuf,
    octets: Digest,
    key: hmac::Key,
    /// By the digest of the hash as configured: the digest of it and its password.
    known: Mutex<BTreeMap<Digest, Digest>>,
}

impl PasswordDigests {
    const NAME: &str = "password-digests";

    /// Reads what is known of these hashes from the store's directory.
    ///
    /// # Errors
    /// When no key can be drawn.
    pub fn open<'a>(directory: &Path, hashes: impl Iterator<Item = &'a [u8]>) -> Result<Self, String> {
        let path = directory.join(Self::NAME);
        let (octets, known) = match files::read_text(&path).map(|text| parse(&text)) {
            Ok(Some(read)) => read,
            unread => {
                let is_new = matches!(&unread, Err(error) if error.kind() == io::ErrorKind::NotFound);
                if !is_new {
                    tracing::warn!(file = %path.display(), "cannot be read: passwords are hashed again, once each");
                }
                let mut octets = [0; 32];
                getrandom::fill(&mut octets).map_err(|error| format!("cannot draw a key: {error}"))?;
                (octets, BTreeMap::new())
            }
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &octets);
        let digests = Self { directory: directory.to_owned(), octets, key, known: Mutex::new(known) };
        digests.retain(hashes);
        Ok(digests)
    }

    /// Forgets what is known of other hashes than these.
    pub fn retain<'a>(&self, hashes: impl Iterator<Item = &'a [u8]>) {
        let configured: Vec<Digest> = hashes.map(|hash| digest(&self.key, &[hash])).collect();
        self.lock().retain(|hash, _| configured.contains(hash));
    }

    /// Whether the password is the hash's, in constant time; `None` while no right one is known.
    #[must_use]
    pub fn is_right(&self, hash: &[u8], password: &[u8]) -> Option<bool> {
        let known = *self.lock().get(&digest(&self.key, &[hash]))?;
        Some(subtle::ConstantTimeEq::ct_eq(&known[..], &digest(&self.key, &[hash, b"\0", password])[..]).into())
    }

    /// The password was found to be the hash's.
    pub fn keep(&self, hash: &[u8], password: &[u8]) {
        let (hash, password) = (digest(&self.key, &[hash]), digest(&self.key, &[hash, b"\0", password]));
        self.lock().insert(hash, password);
    }

    /// Writes what is known, so that a start finds all of it or what was there before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self) -> io::Result<()> {
        let mut text = format!("key {}\n", hex(&self.octets));
        for (hash, password) in self.lock().iter() {
            text += &format!("{} {}\n", hex(hash), hex(password));
        }
        let (fresh, path) = (self.directory.join("password-digests.new"), self.directory.join(Self::NAME));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.directory)?.sync_all()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Digest>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash holds no NUL, so nothing else has the same parts.
fn digest(key: &hmac::Key, parts: &[&[u8]]) -> Digest {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.sign().as_ref());
    digest
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn parse(text: &str) -> Option<(Digest, BTreeMap<Digest, Digest>)> {
    let mut lines = text.lines();
    let key = parse_hex(lines.next()?.strip_prefix("key ")?)?;
    let mut known = BTreeMap::new();
    for line in lines {
        let (hash, password) = line.split_once(' ')?;
        known.insert(parse_hex(hash)?, parse_hex(password)?);
    }
    Some((key, known))
}

fn parse_hex(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    let octets = text.as_bytes();
    if octets.len() != 2 * digest.len() || !octets.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (octet, pair) in digest.iter_mut().zip(octets.chunks_exact(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const OLD: &[u8] = b"$argon2id$old";
    const NEW: &[u8] = b"$argon2id$new";

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("trunkline-digests-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn open(path: &Path, hashes: &[&'static [u8]]) -> PasswordDigests {
        PasswordDigests::open(path, hashes.iter().copied()).unwrap()
    }

    #[test]
    fn a_right_password_is_known_after_a_start_and_forgotten_with_its_hash() {
        let path = directory("kept");
        let digests = open(&path, &[OLD, NEW]);
        assert_eq!(digests.is_right(OLD, b"secret"), None);
        digests.keep(OLD, b"secret");
        digests.write().unwrap();
        let again = open(&path, &[OLD, NEW]);
        assert_eq!(again.is_right(OLD, b"secret"), Some(true));
        assert_eq!(again.is_right(OLD, b"Secret"), Some(false));
        assert_eq!(again.is_right(NEW, b"secret"), None);
        let changed = open(&path, &[NEW]);
        changed.write().unwrap();
        assert_eq!(open(&path, &[OLD, NEW]).is_right(OLD, b"secret"), None);
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn nobody_else_may_read_the_file_and_nothing_in_it_is_a_password() {
        let path = directory("closed");
        let digests = open(&path, &[OLD]);
        digests.keep(OLD, b"secret");
        digests.write().unwrap();
        let file = path.join("password-digests");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!files::read_text(&file).unwrap().contains("secret"));
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_damaged_file_costs_hashes_again_and_opens_nothing() {
        let path = directory("damaged");
        let digests = open(&path, &[OLD]);
        digests.keep(OLD, b"secret");
        digests.write().unwrap();
        let sound = files::read_text(&path.join("password-digests")).unwrap();
        for text in ["", "key \n", &sound[..sound.len() - 9], &sound.replace("key ", ""), &sound.replace('\n', "x\n")] {
            File::create(path.join("password-digests")).unwrap().write_all(text.as_bytes()).unwrap();
            assert_eq!(open(&path, &[OLD]).is_right(OLD, b"secret"), None, "{text}");
        }
        fs::remove_dir_all(&path).unwrap();
    }
}

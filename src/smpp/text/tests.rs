//! Texts become the octets that the specifications say, are cut where nothing is harmed, and read back as they were.

use super::*;

#[test]
fn a_text_that_fits_goes_as_it_is() {
    let encoded = encode("Hi @ 5€", Wanted::Auto, Reference::Eight(7)).unwrap();
    assert_eq!((encoded.alphabet, encoded.has_header), (Alphabet::Gsm, false));
    assert_eq!(encoded.parts, [b"Hi \x00 5\x1B\x65"]);
    let encoded = encode("Жx", Wanted::Auto, Reference::Eight(7)).unwrap();
    assert_eq!((encoded.alphabet, encoded.has_header), (Alphabet::Ucs2, false));
    assert_eq!(encoded.parts, [b"\x04\x16\0x"]);
}

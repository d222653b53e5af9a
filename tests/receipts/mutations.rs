//! A million receipts gone wrong: cut, spliced, flipped and stuffed. `MUTATIONS` says how many; each is made of its number alone.

use trunkline::smpp::receipt::{self, Habits};
use trunkline::smpp::view::SmView;

use crate::corpus::{self, Entry};

const QUICK: u64 = 50_000;
const OUR_ID: &[u8] = b"0123456789abcdef";

#[test]
fn no_mutation_of_a_receipt_panics_and_each_rewrite_can_be_read() {
    let count = std::env::var("MUTATIONS").map_or(QUICK, |count| count.parse().expect("MUTATIONS is a number"));
    let entries = corpus::entries();
    let bodies: Vec<Vec<u8>> = entries.iter().map(Entry::sent_body).collect();
    let odd = "{ by: content, id_from: tlv, states: { DELIVRD: ENROUTE, 9: DELETED }, time_zone: '-09:30' }";
    let habits = [Habits::DEFAULT, corpus::habits(odd), corpus::habits("{ by: content, id_from: text }")];
    let (mut read, mut rewritten) = (0, 0);
    for number in 0..count {
        let mut rng = Rng(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut body = bodies[rng.below(bodies.len())].clone();
        for _ in 0..=rng.below(4) {
            mutate(&mut body, &bodies, &mut rng);
        }
        let habits = &habits[rng.below(habits.len())];
        let tried = std::panic::catch_unwind(|| try_one(&body, habits));
        let Ok(done) = tried else { panic!("mutation {number}: {}", body.escape_ascii()) };
        read += u64::from(done >= Done::Read);
        rewritten += u64::from(done >= Done::Rewritten);
    }
    println!("{count} mutations, {read} of them receipts still, {rewritten} with an id to rewrite");
    // So few changes leave most of them what they were.
    assert!(read > count / 2 && rewritten > count / 3);
}

#[derive(PartialEq, PartialOrd)]
enum Done {
    Unreadable,
    Read,
    Rewritten,
}

fn try_one(body: &[u8], habits: &Habits) -> Done {
    let Ok(view) = SmView::deliver(body) else { return Done::Unreadable };
    let narrowed = receipt::narrowed(body, &view, habits);
    let body = narrowed.as_deref().unwrap_or(body);
    let view = SmView::deliver(body).expect("a narrowed body can be read");
    let details = receipt::details(&view);
    let _ = details.error_number();
    let Some(receipt) = receipt::read_as(&view, habits) else { return Done::Unreadable };
    let moved = receipt::with_dates_in_utc(body, &view, habits);
    assert!(moved.as_ref().is_none_or(|moved| moved.len() == body.len()));
    let mut out = Vec::new();
    receipt::rewrite(moved.as_deref().unwrap_or(body), &view, &receipt, OUR_ID, &mut out);
    let again = SmView::deliver(&out).expect("a rewritten receipt can be read");
    assert_eq!((again.source, again.destination), (view.source, view.destination));
    assert_eq!((again.esm_class, again.data_coding), (view.esm_class, view.data_coding));
    // Every length says what there is: as many TLVs as before, and what is behind them is the same.
    assert_eq!(again.tlvs().map(|tlv| tlv.tag).collect::<Vec<_>>(), view.tlvs().map(|tlv| tlv.tag).collect::<Vec<_>>());
    let behind = |view: &SmView<'_>| {
        let end = view.tlvs().last().map_or(0, |tlv| tlv.at + 4 + tlv.value.len());
        view.optional[end..].to_vec()
    };
    assert_eq!(behind(&again), behind(&view));
    if receipt.ids[0].is_none() {
        return Done::Read;
    }
    let ids: Vec<&[u8]> = receipt.ids.into_iter().flatten().collect();
    let is_whole = view.short_message.len() + OUR_ID.len() <= 254;
    if let Some(receipt) = receipt::read_as(&again, habits).filter(|_| is_whole) {
        for id in receipt.ids.into_iter().flatten() {
            assert!(id == OUR_ID, "{} among {ids:?}", id.escape_ascii());
        }
    }
    Done::Rewritten
}

fn mutate(body: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Rng) {
    const WORDS: [&[u8]; 12] = [
        b"id:",
        b" stat:",
        b" text:",
        b" err:",
        b"date:",
        b"submit date:",
        b"DELIVRD",
        b" ",
        b"\0",
        b":",
        b"0x",
        b"\x05\0\x03",
    ];
    let at = rng.below(body.len() + 1);
    let end = at + rng.below(body.len() + 1 - at).min(40);
    match rng.below(8) {
        0 => body.truncate(at),
        1 => drop(body.drain(at..end)),
        2 => {
            let word = WORDS[rng.below(WORDS.len())];
            drop(body.splice(at..at, word.iter().copied()));
        }
        3 => {
            let other = &others[rng.below(others.len())];
            let from = rng.below(other.len());
            let to = from + rng.below(other.len() - from).min(60);
            drop(body.splice(at..end, other[from..to].iter().copied()));
        }
        4 => {
            let copy = body[at..end].to_vec();
            drop(body.splice(at..at, copy));
        }
        _ => {
            if let Some(octet) = body.get_mut(at) {
                let flipped = *octet ^ 1 << rng.below(8);
                *octet = [flipped, 0x00, 0x7F, 0xFF, b' ', b':', b'0'][rng.below(7)];
            }
        }
    }
}

/// Xorshift: one number makes the whole mutation.
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

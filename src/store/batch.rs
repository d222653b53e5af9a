//! A commit is one batch: records under one checksum, padded so that a scan finds batches without trusting any length.
//!
//! The checksum is seeded with the segment's id, which no peer can know: neither a file's earlier use nor a customer's octets
//! ever look like a batch of this segment.

/// Batches begin at its multiples: what a disk writes wholly or not at all.
pub const SECTOR: usize = 512;
pub const HEADER_LEN: usize = 28;

const MAGIC: [u8; 3] = *b"TKL";
/// Of the header. A later one is refused, not read.
const VERSION: u8 = 1;

/// What a header says, before it is believed.
struct Header {
    id: u64,
    number: u64,
    len: u32,
    checksum: u32,
}

impl Header {
    fn read(octets: &[u8]) -> Option<Self> {
        let octets: &[u8; HEADER_LEN] = octets.first_chunk()?;
        let (magic, rest) = octets.split_first_chunk::<4>()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        if magic[..3] != MAGIC || magic[3] != VERSION {
            return None;
        }
        Some(Self {
            id: u64::from_le_bytes(*id),
            number: u64::from_le_bytes(*number),
            len: u32::from_le_bytes(*len),
            checksum: u32::from_le_bytes(*rest.first_chunk()?),
        })
    }
}

/// A batch whose checksum is right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Batch<'a> {
    pub number: u64,
    /// Where it begins in its segment.
    pub offset: usize,
    pub payload: &'a [u8],
}

impl Batch<'_> {
    /// Where the next one begins.
    #[must_use]
    pub fn end(&self) -> usize {
        self.offset + (HEADER_LEN + self.payload.len()).next_multiple_of(SECTOR)
    }

    /// Where the payload's octet `at` lies in the segment.
    #[must_use]
    pub fn payload_offset(&self, at: usize) -> usize {
        self.offset + HEADER_LEN + at
    }
}

/// The whole batch at `offset`, if one of this segment lies there.
#[must_use]
pub fn batch_at(segment: &[u8], offset: usize, id: u64) -> Option<Batch<'_>> {
    let octets = segment.get(offset..)?;
    let header = Header::read(octets)?;
    if header.id != id {
        return None;
    }
    let end = HEADER_LEN.checked_add(header.len as usize)?;
    let payload = octets.get(HEADER_LEN..end)?;
    let batch = Batch { number: header.number, offset, payload };
    // A batch is written with its padding: without it the file was cut.
    let is_whole = batch.end() <= segment.len();
    (is_whole && header.checksum == checksum(id, octets, payload)).then_some(batch)
}

/// The version a newer program would have written at `offset`. Any version begins so, with the segment's id behind it: what an
/// earlier use of the file left says nothing.
#[must_use]
pub fn newer_version_at(segment: &[u8], offset: usize, id: u64) -> Option<u8> {
    let (magic, rest) = segment.get(offset..)?.split_first_chunk::<4>()?;
    let is_ours = rest.first_chunk().is_some_and(|octets| u64::from_le_bytes(*octets) == id);
    (magic[..3] == MAGIC && magic[3] > VERSION && is_ours).then_some(magic[3])
}

fn checksum(id: u64, header: &[u8], payload: &[u8]) -> u32 {
    let seed = crc32c::crc32c(&id.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &header[..HEADER_LEN - 4]), payload)
}

/// The batches of a segment from its start, as far as they are whole and in order.
#[must_use]
pub fn read_batches(segment: &[u8], id: u64) -> Batches<'_> {
    Batches { segment, id, next: 0, offset: 0 }
}

#[derive(Clone, Debug)]
pub struct Batches<'a> {
    segment: &'a [u8],
    id: u64,
    next: u64,
    offset: usize,
}

impl Batches<'_> {
    /// Where the whole batches read so far end.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Batch<'a>;

    fn next(&mut self) -> Option<Batch<'a>> {
        let batch = batch_at(self.segment, self.offset, self.id).filter(|batch| batch.number == self.next)?;
        self.next += 1;
        self.offset = batch.end();
        Some(batch)
    }
}

/// Gathers the next batch in a buffer that is used again.
#[derive(Debug)]
pub struct BatchWriter {
    buffer: Vec<u8>,
}

impl Default for BatchWriter {
    fn default() -> Self {
        Self { buffer: vec![0; HEADER_LEN] }
    }
}

impl BatchWriter {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.len() == HEADER_LEN
    }

    /// Octets the batch takes in its segment.
    #[must_use]
    pub fn padded_len(&self) -> usize {
        self.buffer.len().next_multiple_of(SECTOR)
    }

    /// Where to append records.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Puts the finished batch into `into`, whose memory is used for the next one.
    pub fn finish(&mut self, id: u64, number: u64, into: &mut Vec<u8>) {
        // What one turn appends is bounded by windows, far below 4 GiB.
        let len = (self.buffer.len() - HEADER_LEN) as u32;
        self.buffer[..3].copy_from_slice(&MAGIC);
        self.buffer[3] = VERSION;
        self.buffer[4..12].copy_from_slice(&id.to_le_bytes());
        self.buffer[12..20].copy_from_slice(&number.to_le_bytes());
        self.buffer[20..24].copy_from_slice(&len.to_le_bytes());
        let (header, payload) = self.buffer.split_at(HEADER_LEN);
        let checksum = checksum(id, header, payload);
        self.buffer[24..HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
        self.buffer.resize(self.padded_len(), 0);
        std::mem::swap(&mut self.buffer, into);
        self.buffer.clear();
        self.buffer.resize(HEADER_LEN, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: u64 = 0x0123_4567_89AB_CDEF;

    fn segment(payloads: &[Vec<u8>]) -> Vec<u8> {
        let (mut writer, mut batch, mut segment) = (BatchWriter::default(), Vec::new(), Vec::new());
        for (number, payload) in payloads.iter().enumerate() {
            writer.payload().extend_from_slice(payload);
            writer.finish(ID, number as u64, &mut batch);
            segment.extend_from_slice(&batch);
        }
        segment
    }

    #[test]
    fn a_batch_is_a_multiple_of_a_sector_and_carries_its_segment_number_and_length() {
        let octets = segment(&[vec![7; 484], vec![8; 485]]);
        assert_eq!(octets.len(), 3 * SECTOR);
        assert_eq!(octets[..4], *b"TKL\x01");
        assert_eq!(octets[4..24], [&ID.to_le_bytes()[..], &[0; 8], &484u32.to_le_bytes()].concat());
        let batches: Vec<_> = read_batches(&octets, ID).collect();
        assert_eq!(batches.iter().map(|batch| batch.offset).collect::<Vec<_>>(), [0, SECTOR]);
        assert_eq!(batches[1].payload, [8; 485]);
    }

    #[test]
    fn a_batch_of_another_segment_or_out_of_order_ends_the_reading() {
        let octets = segment(&[vec![1], vec![2]]);
        assert_eq!(read_batches(&octets, ID + 1).count(), 0);
        assert_eq!(read_batches(&octets[SECTOR..], ID).count(), 0);
        assert_eq!(batch_at(&octets, SECTOR, ID).map(|batch| batch.number), Some(1));
    }

    #[test]
    fn a_batch_whose_padding_was_cut_is_not_whole() {
        let octets = segment(&[vec![1]]);
        assert_eq!(read_batches(&octets[..SECTOR - 1], ID).count(), 0);
    }

    #[test]
    fn a_newer_version_is_told_from_garbage() {
        let mut octets = segment(&[vec![1]]);
        assert_eq!(newer_version_at(&octets, 0, ID), None);
        octets[3] = 2;
        assert_eq!((newer_version_at(&octets, 0, ID), read_batches(&octets, ID).count()), (Some(2), 0));
        assert_eq!(newer_version_at(&octets, 0, ID + 1), None, "an earlier use of the file");
    }

    proptest! {
        #[test]
        fn batches_are_read_back_and_a_flipped_bit_ends_the_reading_at_its_batch(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_200), 1..6),
            bit: prop::sample::Index,
        ) {
            let mut octets = segment(&payloads);
            let whole: Vec<_> = read_batches(&octets, ID).map(|batch| batch.payload.to_vec()).collect();
            prop_assert_eq!(&whole, &payloads);
            let bit = bit.index(octets.len() * 8);
            let ends: Vec<_> = read_batches(&octets, ID).map(|batch| (batch.offset, batch.payload_offset(batch.payload.len()))).collect();
            let hit = ends.iter().position(|(start, end)| (*start..*end).contains(&(bit / 8)));
            octets[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(read_batches(&octets, ID).count(), hit.unwrap_or(payloads.len()));
        }
    }
}

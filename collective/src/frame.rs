//! The frames between trainers: a header with a checksum of its own, bytes that describe the values, the values, and the
//! checksum of description and values. Both are CRC32C, which finds what TCP's 16 bits let through. Between trainers of one
//! host the bytes never leave its memory and pass no network: there the frame ends with its values. The sender decides, and
//! its header says whether a checksum follows.

use candlewick_protocol::Failure;
pub(crate) use candlewick_protocol::exchange::MAX_DESCRIPTION as MAX_META;
use candlewick_protocol::keys::Key;
use crc_fast::{CrcAlgorithm, Digest};

/// Bytes of a header.
pub(crate) const HEADER: usize = 52;
/// Bytes of the checksum at the end of a frame.
pub(crate) const SUM: usize = 4;
const MAGIC: u32 = u32::from_le_bytes(*b"CWK3");
/// Bytes of a header that its checksum is over.
const COVERED: usize = 48;
/// Flag of a header: the frame ends with a checksum. The other bits are not used.
const SUMMED: u8 = 1;

/// A CRC32C on its way.
#[derive(Debug, Clone)]
pub(crate) struct Checksum(Option<Digest>);

impl Checksum {
    pub(crate) fn new() -> Self {
        Checksum(None)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0
            .get_or_insert_with(|| Digest::new(CrcAlgorithm::Crc32Iscsi))
            .update(bytes);
    }

    /// The checksum of all bytes since the last call.
    pub(crate) fn take(&mut self) -> [u8; SUM] {
        let sum = self.0.take().map_or(0, |digest| digest.finalize());
        #[expect(clippy::cast_possible_truncation, reason = "it has 32 bits")]
        (sum as u32).to_le_bytes()
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A trainer's nodes, for the owner of the chunk.
    Nodes = 1,
    /// The assembled chunk.
    Chunk = 2,
    /// A text that must be equal everywhere.
    Text = 3,
    /// The sender gives up and says why.
    Goodbye = 4,
    /// Numbers that every trainer gets from every other, and before them how many.
    Numbers = 5,
    /// The numbers of the sender's shards, in the middle of a step; the chunk is the exchange's number within it.
    Gather = 6,
    /// Words for the receiver alone, in the middle of a step; the chunk is the exchange's number within it.
    Words = 7,
    /// What is sent to find out how long it takes.
    Probe = 8,
}

/// The number that stands for the job in every frame.
pub(crate) fn job_tag(key: &Key, job: &str) -> u64 {
    let mac = key.mac(&[b"frames", job.as_bytes()]);
    u64::from_le_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], mac[6], mac[7]])
}

/// What a frame belongs to; frames with another one are refused (invariant I1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) job: u64,
    pub(crate) generation: u64,
    pub(crate) step: u64,
    pub(crate) kind: Kind,
    pub(crate) chunk: u32,
}

/// A header as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    kind: u8,
    job: u64,
    generation: u64,
    step: u64,
    chunk: u32,
    pub(crate) meta: usize,
    pub(crate) floats: usize,
    /// A checksum follows the values.
    pub(crate) summed: bool,
}

/// The bytes of a frame's header, with a checksum to follow the frame and without: peers differ.
#[derive(Debug)]
pub(crate) struct Head {
    summed: [u8; HEADER],
    plain: [u8; HEADER],
}

impl Head {
    pub(crate) fn bytes(&self, summed: bool) -> &[u8; HEADER] {
        if summed { &self.summed } else { &self.plain }
    }
}

/// The header of a frame.
pub(crate) fn encode(place: &Place, meta: usize, floats: usize) -> Head {
    Head {
        summed: bytes_of_header(place, meta, floats, SUMMED),
        plain: bytes_of_header(place, meta, floats, 0),
    }
}

fn bytes_of_header(place: &Place, meta: usize, floats: usize, flags: u8) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[4] = place.kind as u8;
    bytes[5] = flags;
    bytes[8..16].copy_from_slice(&place.job.to_le_bytes());
    bytes[16..24].copy_from_slice(&place.generation.to_le_bytes());
    bytes[24..32].copy_from_slice(&place.step.to_le_bytes());
    bytes[32..36].copy_from_slice(&place.chunk.to_le_bytes());
    bytes[36..40].copy_from_slice(&u32::try_from(meta).unwrap_or(u32::MAX).to_le_bytes());
    bytes[40..48].copy_from_slice(&(floats as u64).to_le_bytes());
    let sum = sum_of(&bytes[..COVERED]);
    bytes[COVERED..].copy_from_slice(&sum);
    bytes
}

fn sum_of(bytes: &[u8]) -> [u8; SUM] {
    crc_fast::crc32_iscsi(bytes).to_le_bytes()
}

/// The failure of a frame that is not what was sent.
pub(crate) fn damaged() -> Failure {
    Failure::unavailable(
        "sent a frame whose checksum is wrong: it was damaged on its way, by the network between the two hosts or the \
         memory of one of them",
    )
}

/// Reads a header.
pub(crate) fn decode(bytes: &[u8; HEADER]) -> Result<Header, Failure> {
    if word(bytes, 0) != MAGIC {
        return Err(Failure::internal("sent bytes that are no frame"));
    }
    if sum_of(&bytes[..COVERED]) != bytes[COVERED..] {
        return Err(damaged());
    }
    if bytes[5] & !SUMMED != 0 {
        return Err(Failure::internal(format!(
            "sent a frame with unknown flags {}",
            bytes[5]
        )));
    }
    let header = Header {
        kind: bytes[4],
        job: long(bytes, 8),
        generation: long(bytes, 16),
        step: long(bytes, 24),
        chunk: word(bytes, 32),
        meta: word(bytes, 36) as usize,
        floats: usize::try_from(long(bytes, 40)).unwrap_or(usize::MAX),
        summed: bytes[5] & SUMMED != 0,
    };
    if header.meta > MAX_META {
        return Err(Failure::internal(format!(
            "sent a description of {} bytes",
            header.meta
        )));
    }
    Ok(header)
}

impl Header {
    pub(crate) fn is_goodbye(&self, job: u64) -> bool {
        self.kind == Kind::Goodbye as u8 && self.job == job
    }

    /// Refuses a frame that belongs elsewhere.
    pub(crate) fn check(&self, place: &Place) -> Result<(), Failure> {
        let pairs = [
            ("job", self.job, place.job),
            ("generation", self.generation, place.generation),
            ("step", self.step, place.step),
            ("kind", u64::from(self.kind), place.kind as u64),
            ("chunk", u64::from(self.chunk), u64::from(place.chunk)),
        ];
        match pairs.into_iter().find(|(_, got, wanted)| got != wanted) {
            None => Ok(()),
            Some((what, got, wanted)) => Err(Failure::internal(format!(
                "sent a frame of {what} {got}, expected {what} {wanted}"
            ))),
        }
    }
}

fn word(bytes: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8; HEADER], at: usize) -> u64 {
    u64::from(word(bytes, at)) | (u64::from(word(bytes, at + 4)) << 32)
}

/// The values as bytes; the machine is little endian, as the wire is.
pub(crate) fn bytes_of(values: &[f32]) -> &[u8] {
    // SAFETY: any f32 is four bytes without padding, u8 has no alignment, and the length is that of the same memory.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) }
}

/// The values as bytes to be read into.
pub(crate) fn bytes_of_mut(values: &mut [f32]) -> &mut [u8] {
    // SAFETY: as in `bytes_of`; every pattern of four bytes is a legal f32, and the borrow stays exclusive.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast::<u8>(), size_of_val(values)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        job: 1 << 40,
        generation: 2,
        step: 3,
        kind: Kind::Chunk,
        chunk: 4,
    };

    #[test]
    fn a_header_survives_and_is_checked_field_by_field() {
        for summed in [false, true] {
            let header = decode(encode(&PLACE, 5, 6).bytes(summed)).unwrap();
            assert_eq!((header.meta, header.floats, header.summed), (5, 6, summed));
        }
        let header = decode(encode(&PLACE, 5, 6).bytes(true)).unwrap();
        assert!(header.check(&PLACE).is_ok());
        let others = [
            Place { job: 1, ..PLACE },
            Place {
                generation: 1,
                ..PLACE
            },
            Place { step: 1, ..PLACE },
            Place {
                kind: Kind::Nodes,
                ..PLACE
            },
            Place { chunk: 1, ..PLACE },
        ];
        for other in others {
            assert!(header.check(&other).is_err());
        }
        let failure = header.check(&Place { step: 9, ..PLACE }).unwrap_err();
        assert_eq!(failure.message, "sent a frame of step 3, expected step 9");
    }

    #[test]
    fn garbage_is_no_frame() {
        assert!(decode(&[7; HEADER]).is_err());
        assert!(decode(encode(&PLACE, MAX_META + 1, 0).bytes(true)).is_err());
        let later = bytes_of_header(&PLACE, 5, 6, SUMMED | 2);
        assert_eq!(
            decode(&later).unwrap_err().message,
            "sent a frame with unknown flags 3"
        );
    }

    #[test]
    fn a_header_with_any_bit_turned_is_refused() {
        let whole = *encode(&PLACE, 5, 6).bytes(true);
        for at in 0..HEADER * 8 {
            let mut bytes = whole;
            bytes[at / 8] ^= 1 << (at % 8);
            assert!(decode(&bytes).is_err(), "bit {at}");
        }
    }

    #[test]
    fn the_checksum_is_crc32c() {
        // The check value of CRC-32/ISCSI.
        assert_eq!(sum_of(b"123456789"), 0xe306_9283u32.to_le_bytes());
        let mut parts = Checksum::new();
        parts.update(b"1234");
        parts.update(b"56789");
        assert_eq!(parts.take(), sum_of(b"123456789"));
        assert_eq!(parts.take(), sum_of(b""));
    }

    #[test]
    fn values_are_their_bytes() {
        let mut values = [1.0f32, -0.0];
        assert_eq!(bytes_of(&values), [0, 0, 128, 63, 0, 0, 0, 128]);
        bytes_of_mut(&mut values)[3] = 64;
        assert_eq!(values[0], 4.0);
    }
}

//! The weights file, assembled from the parts that rank 0 sends.

use candlewick_protocol::Failure;

/// Largest weights file accepted: a length from the network decides an allocation.
const MAX_BYTES: u64 = 16 << 30;

/// A weights file on its way.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    bytes: Vec<u8>,
    total: Option<u64>,
}

impl Assembly {
    /// Takes the next part.
    pub(crate) fn add(&mut self, offset: u64, total: u64, part: &[u8]) -> Result<(), Failure> {
        let have = self.bytes.len() as u64;
        let agreed = *self.total.get_or_insert(total);
        if agreed != total || offset != have || have + part.len() as u64 > total || total > MAX_BYTES {
            return Err(Failure::internal(format!(
                "the weights came out of order: part of {} bytes at {offset} of {total}, expected offset {have} of \
                 {agreed}",
                part.len()
            )));
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.total == Some(self.bytes.len() as u64)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_must_follow_each_other() {
        let mut weights = Assembly::default();
        assert!(!weights.is_complete());
        weights.add(0, 5, b"abc").unwrap();
        assert!(
            weights
                .add(4, 5, b"e")
                .unwrap_err()
                .message
                .contains("expected offset 3 of 5")
        );
        assert!(weights.add(3, 6, b"de").is_err());
        assert!(weights.add(3, 5, b"def").is_err());
        weights.add(3, 5, b"de").unwrap();
        assert!(weights.is_complete());
        assert_eq!(weights.bytes(), b"abcde");
    }
}

//! Control messages on a Flight stream: JSON in `app_metadata`, in parts of at most 1 MiB where it is longer (the winners
//! of a million partitions, the members of a thousand trainers).

use arrow_flight::FlightData;
use candlewick_protocol::Failure;
use candlewick_protocol::control::ControlMessage;

/// Bytes of JSON in one part.
const PART: usize = 1024 * 1024;
/// `data_header` of a part that another one follows.
const MORE: &[u8] = b"more";
/// Largest message that is put together: a length from the network decides an allocation.
const MAX_MESSAGE: usize = 1 << 30;

/// The frames of a message; `body` travels beside the last one.
///
/// # Errors
/// `Internal` where the message cannot be written.
pub fn control_frames<T: ControlMessage>(message: &T, body: Vec<u8>) -> Result<Vec<FlightData>, Failure> {
    let json = message
        .to_json()
        .map_err(|error| Failure::internal(format!("a control message cannot be written: {error}")))?;
    let mut frames: Vec<FlightData> = json
        .chunks(PART)
        .map(|part| {
            FlightData::new()
                .with_data_header(MORE)
                .with_app_metadata(part.to_vec())
        })
        .collect();
    if let Some(last) = frames.last_mut() {
        last.data_header = Vec::new().into();
        last.data_body = body.into();
    }
    Ok(frames)
}

/// Puts the messages of one stream together again.
#[derive(Debug, Default)]
pub struct ControlReader {
    begun: Vec<u8>,
}

impl ControlReader {
    /// Takes the next frame; the message, once it is whole.
    ///
    /// # Errors
    /// `Internal` where it is no message of this type.
    pub fn read<T: ControlMessage>(&mut self, frame: &FlightData) -> Result<Option<T>, Failure> {
        let part = &frame.app_metadata;
        if self.begun.len() + part.len() > MAX_MESSAGE {
            return Err(Failure::internal(format!(
                "a control message of more than {MAX_MESSAGE} bytes"
            )));
        }
        let more = frame.data_header == MORE;
        if !more && self.begun.is_empty() {
            return parsed(part).map(Some);
        }
        self.begun.extend_from_slice(part);
        if more {
            return Ok(None);
        }
        parsed(&std::mem::take(&mut self.begun)).map(Some)
    }
}

fn parsed<T: ControlMessage>(json: &[u8]) -> Result<T, Failure> {
    T::from_json(json)
        .map_err(|error| Failure::internal(format!("a control message cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::feed::Winner;
    use candlewick_protocol::message::{MAX_FLIGHT_MESSAGE, ToTrainer};

    fn seal(partitions: u32) -> ToTrainer {
        let winner = |partition| Winner {
            partition,
            attempt: u64::from(partition) + 1_000_000,
        };
        ToTrainer::Seal {
            round: 0,
            winners: (0..partitions).map(winner).collect(),
            expected: Vec::new(),
            incomplete: (3..5).into(),
            dealt: None,
        }
    }

    #[test]
    fn a_seal_of_two_million_partitions_arrives_in_parts() {
        let mut reader = ControlReader::default();
        for partitions in [2_000_000, 3, 30_000] {
            let message = seal(partitions);
            let frames = control_frames(&message, b"body".to_vec()).unwrap();
            let whole: usize = frames.iter().map(|frame| frame.app_metadata.len()).sum();
            assert_eq!(
                partitions == 2_000_000,
                whole > MAX_FLIGHT_MESSAGE,
                "{whole} bytes"
            );
            assert_eq!(frames.len(), whole.div_ceil(PART));
            let (last, parts) = frames.split_last().unwrap();
            for part in parts {
                assert!(part.app_metadata.len() <= PART && part.data_body.is_empty());
                assert_eq!(reader.read::<ToTrainer>(part).unwrap(), None);
            }
            assert_eq!(last.data_body.as_ref(), b"body");
            assert!(reader.read::<ToTrainer>(last).unwrap() == Some(message));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let frame = FlightData::new().with_app_metadata(b"{\"type\": \"dance\"}".to_vec());
        let failure = ControlReader::default().read::<ToTrainer>(&frame).unwrap_err();
        assert!(failure.message.contains("cannot be read"), "{failure}");
    }
}

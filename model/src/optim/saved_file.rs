//! A saved state as a safetensors file, made as it is read.

use super::state::{COUNTERS, NOTES, Saved, SavedTensor};
use crate::weights::head_of_file;
use candlewick_protocol::Failure;
use safetensors::tensor::{Dtype, TensorInfo};
use serde_json::{Map, Value};
use std::collections::VecDeque;

const VALUE: usize = size_of::<f32>();

/// The safetensors file of a [`Saved`]. It is made as it is read, and what has become bytes is given back tensor by tensor: state
/// and file together take the memory of one of them, and of a tensor.
#[derive(Debug)]
pub struct SavedFile {
    /// Length and header, of which `head_read` bytes are read.
    head: Vec<u8>,
    head_read: usize,
    /// In the order of the file. Of the first one `values_read` values are read.
    tensors: VecDeque<SavedTensor>,
    values_read: usize,
    left: u64,
}

impl Saved {
    /// The state as a safetensors file that is made piece by piece; counters stand in its metadata.
    ///
    /// ```
    /// use candlewick_model::optim::{Saved, SavedTensor};
    /// let tensor = SavedTensor { name: "0.bias.exp_avg".into(), shape: vec![2], values: vec![-0.0, 1.0] };
    /// let saved = Saved { counters: vec![("step".into(), u64::MAX)], tensors: vec![tensor], ..Saved::default() };
    /// let file = saved.clone().into_file()?.into_bytes();
    /// assert_eq!(Saved::from_bytes(&file)?, saved);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `Internal` where a shape and its values do not agree.
    pub fn into_file(self) -> Result<SavedFile, Failure> {
        SavedFile::new(self)
    }
}

impl SavedFile {
    fn new(saved: Saved) -> Result<Self, Failure> {
        let Saved {
            counters,
            mut tensors,
            notes,
        } = saved;
        // As the crate's own writer has them.
        tensors.sort_by(|left, right| left.name.cmp(&right.name));
        let mut end = 0;
        let mut infos = Vec::with_capacity(tensors.len());
        for SavedTensor { name, shape, values } in &tensors {
            let values = values.len();
            if shape.iter().product::<usize>() != values {
                return Err(Failure::internal(format!(
                    "tensor {name:?} of a state has {values} values and shape {shape:?}"
                )));
            }
            let start = end;
            end += values * VALUE;
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape: shape.clone(),
                data_offsets: (start, end),
            };
            infos.push((name.clone(), info));
        }
        let counters: Map<String, Value> = counters
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        let metadata = [
            (COUNTERS.to_owned(), Value::Object(counters).to_string()),
            (NOTES.to_owned(), Value::Object(notes).to_string()),
        ];
        let head = head_of_file(metadata.into(), infos).map_err(|error| {
            Failure::internal(format!("a state cannot be written as safetensors: {error}"))
        })?;
        Ok(SavedFile {
            left: (head.len() + end) as u64,
            head,
            head_read: 0,
            tensors: tensors.into(),
            values_read: 0,
        })
    }

    /// Bytes that are not read yet: of the whole file at first.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Bytes that it holds: what is left, and what is read of the tensor at hand.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.left + (self.values_read * VALUE) as u64
    }

    /// The next `size` bytes, a multiple of 4; fewer at the end, none after it.
    #[must_use]
    pub fn piece(&mut self, size: usize) -> Vec<u8> {
        let size = usize::try_from(self.left).map_or(size, |left| left.min(size));
        let mut piece = Vec::with_capacity(size);
        self.read(size, &mut piece);
        piece
    }

    fn read(&mut self, size: usize, piece: &mut Vec<u8>) {
        debug_assert!(size.is_multiple_of(VALUE), "no number is cut");
        let end = piece.len() + size;
        let head = &self.head[self.head_read..];
        let head = &head[..head.len().min(size)];
        piece.extend_from_slice(head);
        self.head_read += head.len();
        while let Some(tensor) = self.tensors.front() {
            let values = &tensor.values[self.values_read..];
            let values = &values[..values.len().min((end - piece.len()) / VALUE)];
            piece.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            self.values_read += values.len();
            if self.values_read < tensor.values.len() {
                break;
            }
            self.tensors.pop_front();
            self.values_read = 0;
        }
        self.left -= size as u64;
    }

    /// All that is left.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.piece(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        let tensor = |name: &str, shape: &[usize]| SavedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            values: (0..shape.iter().product())
                .map(|at: usize| at as f32 / 3.0)
                .collect(),
        };
        Saved {
            counters: vec![("step".to_owned(), u64::MAX)],
            tensors: vec![
                tensor("weights.b", &[5, 300]),
                tensor("none", &[0]),
                tensor("weights.a", &[7]),
                tensor("z", &[]),
            ],
            notes: [("format".to_owned(), "x".into())].into_iter().collect(),
        }
    }

    #[test]
    fn a_file_in_pieces_of_any_size_is_that_of_the_crates_own_writer() {
        let known = saved();
        let bytes: Vec<Vec<u8>> = (known.tensors.iter())
            .map(|tensor| {
                tensor
                    .values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect()
            })
            .collect();
        let views = known.tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            let view = safetensors::tensor::TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
            (tensor.name.as_str(), view.unwrap())
        });
        let file = saved().into_file().unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&file.into_bytes()).unwrap();
        // The order of two entries in a header means nothing.
        let expected = safetensors::serialize(views, metadata.metadata().clone()).unwrap();
        for size in [4, 8, 100, 1000, 1 << 20] {
            let mut file = saved().into_file().unwrap();
            let total = file.left();
            assert_eq!(total, expected.len() as u64);
            let mut read = Vec::new();
            while file.left() > 0 {
                let piece = file.piece(size);
                assert_eq!(piece.len(), size.min(total as usize - read.len()));
                read.extend(piece);
                assert_eq!(file.left(), total - read.len() as u64);
                let there: usize = file
                    .tensors
                    .iter()
                    .map(|tensor| tensor.values.len() * VALUE)
                    .sum();
                assert!(file.held() >= there as u64);
            }
            assert!(file.piece(size).is_empty() && file.tensors.is_empty());
            assert_eq!(file.held(), 0);
            assert_eq!(
                Saved::from_bytes(&read).unwrap().take("").counters,
                saved().counters
            );
            let data = |file: &[u8]| {
                let head = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
                file[8 + head..].to_vec()
            };
            assert!(data(&read) == data(&expected), "pieces of {size}");
        }
    }

    #[test]
    fn a_shape_that_is_not_that_of_its_values_is_refused() {
        let mut wrong = saved();
        wrong.tensors[0].shape = vec![3];
        let told = wrong.into_file().unwrap_err().message;
        assert!(
            told.contains("\"weights.b\" of a state has 1500 values and shape [3]"),
            "{told}"
        );
    }
}

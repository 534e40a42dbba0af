//! A vector whose elements lie on the host, but for runs on a device.

use super::traffic::Traffic;
use super::{DeviceVec, Link, RowPlaces};
use candlewick_protocol::Failure;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Neighbouring elements on a device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub place: Range<usize>,
    pub values: DeviceVec,
    /// Of a table's gradient: which rows the values are. All others are 0.
    pub rows: Option<Arc<RowPlaces>>,
}

impl Run {
    /// All elements of the place.
    pub(crate) fn whole(place: Range<usize>, values: DeviceVec) -> Self {
        Run {
            place,
            values,
            rows: None,
        }
    }

    /// Takes in the zeros of rows that were left out.
    pub(crate) fn fill(&mut self) -> Result<(), Failure> {
        if let Some(rows) = self.rows.take() {
            self.values = self.values.spread(&rows)?;
        }
        Ok(())
    }
}

/// The gradient of a table over a node of the tree, on a device.
#[derive(Debug)]
pub(crate) struct HeldRows {
    /// The rows that occur, ascending.
    pub indices: Vec<u32>,
    /// Their values, row after row; the zeros of one row where none occurs.
    pub values: DeviceVec,
}

/// Which elements of the flat weights stay on a device while training, and the way there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Residence {
    places: Vec<Range<usize>>,
    link: Option<Arc<Link>>,
}

impl Residence {
    /// These elements, in ascending order, and the way to them.
    #[cfg(any(test, feature = "candle"))]
    pub(crate) fn new(places: Vec<Range<usize>>, link: Arc<Link>) -> Self {
        Residence {
            places,
            link: Some(link),
        }
    }

    pub(crate) fn places(&self) -> &[Range<usize>] {
        &self.places
    }

    /// The way to the device.
    pub(crate) fn link(&self) -> Option<&Arc<Link>> {
        self.link.as_ref()
    }

    /// What crossed; nothing where there is no device.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        self.link.as_ref().map(|link| link.traffic())
    }

    /// Elements of a vector of the host at these places, brought up.
    pub(crate) fn hold(&self, values: &[f32], places: &[Range<usize>]) -> Result<Vec<Run>, Failure> {
        let Some(link) = &self.link else {
            return Ok(Vec::new());
        };
        let held = places.iter().map(|place| {
            let own = DeviceVec::up(link, &values[place.clone()])?;
            Ok(Run::whole(place.clone(), own))
        });
        held.collect()
    }
}

/// The elements below `length` that no run has.
pub(crate) fn gaps<'a>(
    length: usize,
    runs: impl Iterator<Item = Range<usize>> + 'a,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut start = 0;
    runs.chain(std::iter::once(length..length))
        .filter_map(move |run| {
            let gap = start..run.start;
            start = run.end;
            (!gap.is_empty()).then_some(gap)
        })
}

/// A vector over the weights of a network: the weights, or what an optimiser has for each of them. Elements lie on the host,
/// but for runs of them that live on a device.
///
/// ```
/// use candlewick_model::resident::Flat;
/// let mut weights = Flat::from(vec![1.0, 2.0]);
/// weights.view_mut().host_mut()[1] = 3.0;
/// assert_eq!(weights.view().all()?, [1.0, 3.0].as_slice());
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Flat {
    host: Vec<f32>,
    runs: Vec<Run>,
}

/// A vector of the host alone.
impl From<Vec<f32>> for Flat {
    fn from(host: Vec<f32>) -> Self {
        Flat {
            host,
            runs: Vec::new(),
        }
    }
}

impl Flat {
    /// A vector of which those elements are brought to their device.
    pub(crate) fn held(
        host: Vec<f32>,
        residence: &Residence,
        places: &[Range<usize>],
    ) -> Result<Self, Failure> {
        let runs = residence.hold(&host, places)?;
        Ok(Flat { host, runs })
    }

    /// To be read.
    #[must_use]
    pub fn view(&self) -> FlatRef<'_> {
        FlatRef {
            host: &self.host,
            runs: &self.runs,
        }
    }

    /// To be changed.
    pub fn view_mut(&mut self) -> FlatMut<'_> {
        FlatMut {
            host: &mut self.host,
            runs: &mut self.runs,
        }
    }

    /// All elements on the host, as they are.
    ///
    /// # Errors
    /// `JobFailed` where the device does.
    pub fn all(&self) -> Result<Cow<'_, [f32]>, Failure> {
        self.view().all()
    }

    /// Becomes these values, wherever its elements lie.
    ///
    /// # Errors
    /// `Internal` where their number is another; `JobFailed` where the device fails.
    pub fn set(&mut self, values: &[f32]) -> Result<(), Failure> {
        if values.len() != self.host.len() {
            return Err(Failure::internal(format!(
                "a vector of {} values is to become one of {}",
                self.host.len(),
                values.len()
            )));
        }
        self.host.copy_from_slice(values);
        for run in &mut self.runs {
            run.values = run.values.beside(&values[run.place.clone()])?;
        }
        Ok(())
    }

    pub(crate) fn host(&self) -> &[f32] {
        &self.host
    }

    /// The vector of the host, for what keeps nothing on a device.
    pub(crate) fn host_vec(&mut self) -> &mut Vec<f32> {
        &mut self.host
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }
}

/// A [`Flat`] that is read.
#[derive(Debug, Clone, Copy)]
pub struct FlatRef<'a> {
    host: &'a [f32],
    runs: &'a [Run],
}

impl<'a> From<&'a [f32]> for FlatRef<'a> {
    fn from(host: &'a [f32]) -> Self {
        FlatRef { host, runs: &[] }
    }
}

impl<'a> FlatRef<'a> {
    /// Number of elements.
    #[must_use]
    pub fn len(self) -> usize {
        self.host.len()
    }

    /// Without elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.host.is_empty()
    }

    /// The elements of the host; those of runs on a device are not what they are.
    pub(crate) fn host(self) -> &'a [f32] {
        self.host
    }

    pub(crate) fn runs(self) -> &'a [Run] {
        self.runs
    }

    /// What of these elements lies on a device, where they are a run.
    pub(crate) fn run(self, place: &Range<usize>) -> Option<&'a DeviceVec> {
        let at = self
            .runs
            .binary_search_by_key(&place.start, |run| run.place.start);
        let run = &self.runs[at.ok()?];
        (run.place == *place).then_some(&run.values)
    }

    /// All elements on the host; runs are brought down.
    ///
    /// # Errors
    /// `JobFailed` where the device does.
    pub fn all(self) -> Result<Cow<'a, [f32]>, Failure> {
        if self.runs.is_empty() {
            return Ok(Cow::Borrowed(self.host));
        }
        let mut all = self.host.to_vec();
        for run in self.runs {
            run.values.read(&mut all[run.place.clone()])?;
        }
        Ok(Cow::Owned(all))
    }
}

/// A [`Flat`] that is changed.
#[derive(Debug)]
pub struct FlatMut<'a> {
    pub(crate) host: &'a mut [f32],
    pub(crate) runs: &'a mut [Run],
}

impl<'a> From<&'a mut [f32]> for FlatMut<'a> {
    fn from(host: &'a mut [f32]) -> Self {
        FlatMut {
            host,
            runs: Default::default(),
        }
    }
}

impl FlatMut<'_> {
    /// The elements of the host; what is written to those of runs on a device is lost.
    pub fn host_mut(&mut self) -> &mut [f32] {
        self.host
    }

    /// Read for a while.
    #[must_use]
    pub fn view(&self) -> FlatRef<'_> {
        FlatRef {
            host: self.host,
            runs: self.runs,
        }
    }

    /// Changed for a while.
    pub fn again(&mut self) -> FlatMut<'_> {
        FlatMut {
            host: self.host,
            runs: self.runs,
        }
    }
}

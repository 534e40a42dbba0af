//! What stands for vectors on devices in a build that knows no device: there are none.

use super::RowPlaces;
use super::traffic::Traffic;
use candlewick_protocol::Failure;
use candlewick_protocol::features::DenseValues;
use std::ops::Range;
use std::sync::Arc;

/// Nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Never {}

/// There is none.
#[derive(Debug)]
pub(crate) struct Link(Never);

impl Link {
    pub(crate) fn traffic(&self) -> Traffic {
        match self.0 {}
    }
}

/// There is none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeviceVec(Never);

/// What a vector can do that answers with another.
macro_rules! never {
    ($($name:ident($($argument:ty),*);)*) => {
        impl DeviceVec {
            $(pub(crate) fn $name(&self, $(_: $argument),*) -> Result<Self, Failure> {
                match self.0 {}
            })*
        }
    };
}

never! {
    beside(&[f32]);
    part(&Range<usize>);
    copied();
    times(f32);
    over(f32);
    plus(f32);
    add(&Self);
    sub(&Self);
    mul(&Self);
    div(&Self);
    sqrt();
    abs();
    max(&Self);
    sign();
    bounded(f32);
    squares();
    flaw();
    rows_at(&RowPlaces);
    spread(&RowPlaces);
}

impl DeviceVec {
    pub(crate) fn up(link: &Arc<Link>, _: &[f32]) -> Result<Self, Failure> {
        match link.0 {}
    }

    pub(crate) fn read(&self, _: &mut [f32]) -> Result<(), Failure> {
        match self.0 {}
    }

    pub(crate) fn put(&mut self, _: usize, _: &DeviceVec) -> Result<(), Failure> {
        match self.0 {}
    }

    pub(crate) fn put_rows(&mut self, _: &RowPlaces, _: &DeviceVec) -> Result<(), Failure> {
        match self.0 {}
    }

    pub(crate) fn sums(all: &[DeviceVec]) -> Result<Vec<f64>, Failure> {
        match all.first() {
            Some(one) => match one.0 {},
            None => Ok(Vec::new()),
        }
    }
}

/// There are none.
#[derive(Debug, Clone)]
pub(crate) struct DeviceRows(Never);

impl DeviceRows {
    pub(crate) fn up(link: &Link, _: DenseValues<'_>, _: f64, _: (usize, usize)) -> Result<Self, Failure> {
        match link.0 {}
    }

    pub(crate) fn part(&self, _: usize, _: usize) -> Result<Self, Failure> {
        match self.0 {}
    }
}

/// There are none.
#[derive(Debug, Default)]
pub(crate) struct DeviceValues {}

impl DeviceValues {
    pub(crate) fn bring(&mut self, features: Option<DeviceRows>) {
        if let Some(features) = features {
            match features.0 {}
        }
    }
}

//! Rows of a step that is not computed yet.

use super::DeviceRows;

/// Features of rows that were put on a device before the step that reads them: [`crate::network::Network::put_ahead`].
#[derive(Debug)]
pub struct Ahead(pub(crate) DeviceRows);

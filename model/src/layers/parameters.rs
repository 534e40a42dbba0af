//! The parameters and buffers that a layer asks for, and how they start.

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// Uniform in ±bound.
    Uniform(f32),
    /// Normal around 0 with this standard deviation.
    Normal(f32),
    /// Uniform from the first to the second.
    Between(f32, f32),
    /// Normal of this mean and standard deviation.
    NormalAround(f32, f32),
    /// Normal of a mean and standard deviation, between two bounds only.
    Truncated([f32; 4]),
    /// Orthogonal vectors of this length.
    Orthogonal(f32),
    /// Everywhere this value.
    Constant(f32),
    /// Normal around 0 with deviation 1, but 0 from an element on, so many elements.
    NormalBut(usize, usize),
}

/// A parameter or a buffer of a layer.
#[derive(Debug, Clone)]
pub(crate) struct ParameterSpec {
    /// Name within the layer, PyTorch's: `weight`, `bias`, `weight_ih_l0`.
    pub name: String,
    /// Shape, PyTorch's.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// False for a buffer: no optimiser touches it, the layer itself does ([`Module::update_buffers`]).
    pub trained: bool,
    /// True for a count: among the weights it is an f32, exact to 2^24; files and hashes hold it as I64, as PyTorch's.
    pub count: bool,
    /// True for a table of which a step touches few rows: its gradient comes from [`Module::sparse_gradient`].
    pub sparse: bool,
}

impl ParameterSpec {
    /// A parameter that is trained.
    pub(crate) fn new(name: &str, shape: &[usize], init: Init) -> Self {
        ParameterSpec {
            name: name.to_owned(),
            shape: shape.to_vec(),
            init,
            trained: true,
            count: false,
            sparse: false,
        }
    }

    /// A parameter that is trained, of so many rows, of which a step touches few.
    pub(crate) fn sparse(name: &str, [entries, width]: [usize; 2], init: Init) -> Self {
        ParameterSpec {
            sparse: true,
            ..ParameterSpec::new(name, &[entries, width], init)
        }
    }

    /// A buffer.
    pub(crate) fn buffer(name: &str, shape: &[usize], value: f32) -> Self {
        ParameterSpec {
            trained: false,
            ..ParameterSpec::new(name, shape, Init::Constant(value))
        }
    }

    /// A buffer that counts, from 0.
    pub(crate) fn count(name: &str) -> Self {
        ParameterSpec {
            count: true,
            ..ParameterSpec::buffer(name, &[], 0.0)
        }
    }
}

/// Uniform in ±1/√fan_in: how PyTorch starts weights (kaiming_uniform with a = √5) and biases of most layers.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a bound"
)]
pub(crate) fn uniform_by_fan(fan_in: usize) -> Init {
    Init::Uniform((1.0 / libm::sqrt(fan_in as f64)) as f32)
}

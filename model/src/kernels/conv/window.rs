//! What a window of a convolution covers: sizes, and offsets of taps and places.

/// Sizes of a convolution, height before width. Channels and filters are those of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub groups: usize,
    pub channels: usize,
    pub filters: usize,
    pub input: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Zeros above and to the left.
    pub before: [usize; 2],
    /// Size of the input with its zeros.
    pub padded: [usize; 2],
    pub output: [usize; 2],
}

impl Window {
    /// Places of the kernel.
    pub(super) fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Terms of an element of the output.
    pub(super) fn depth(&self) -> usize {
        self.channels * self.area()
    }

    /// Places of the output.
    pub(super) fn places(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Values of a padded channel.
    pub(super) fn plane(&self) -> usize {
        self.padded[0] * self.padded[1]
    }

    /// Values of a row of the input.
    pub(crate) fn input_row(&self) -> usize {
        self.groups * self.channels * self.input[0] * self.input[1]
    }

    /// Values of a padded row of the input.
    pub(crate) fn padded_row(&self) -> usize {
        self.groups * self.channels * self.plane()
    }

    /// Values of a row of the output.
    pub(crate) fn output_row(&self) -> usize {
        self.groups * self.filters * self.places()
    }

    /// True where zeros lie around the input.
    pub(crate) fn is_padded(&self) -> bool {
        self.padded != self.input
    }

    pub(super) fn work(&self) -> usize {
        self.groups * self.filters * self.depth() * self.places()
    }

    /// Offsets of the taps of `channels` channels.
    pub(super) fn taps(&self, channels: usize, into: &mut Vec<usize>) {
        into.clear();
        let [height, width] = self.kernel;
        for at in 0..channels * height * width {
            let (channel, y, x) = (at / (height * width), at / width % height, at % width);
            into.push(channel * self.plane() + y * self.dilation[0] * self.padded[1] + x * self.dilation[1]);
        }
    }

    /// Offset of a place.
    pub(super) fn place(&self, place: usize) -> usize {
        let (y, x) = (place / self.output[1], place % self.output[1]);
        y * self.stride[0] * self.padded[1] + x * self.stride[1]
    }

    /// Steps of `width` places that a line of the output has.
    pub(super) fn steps(&self, width: usize) -> usize {
        self.output[1].div_ceil(width)
    }

    /// Offsets of steps of `width` places of a batch, counted row after row.
    pub(super) fn offsets(&self, range: (usize, usize), width: usize, into: &mut Vec<usize>) {
        into.clear();
        self.lines(range, width, |row, place, count| {
            let first = row * self.padded_row() + self.place(place);
            into.extend((0..count).map(|step| first + step * width * self.stride[1]));
        });
    }

    /// Calls `body` with the row, the first place and the number of steps, for all steps of a range that lie in a line of the output.
    pub(super) fn lines(
        &self,
        range: (usize, usize),
        width: usize,
        mut body: impl FnMut(usize, usize, usize),
    ) {
        let line = self.steps(width);
        let mut at = range.0;
        while at < range.1 {
            let (row, step) = (at / (line * self.output[0]), at % (line * self.output[0]));
            let count = (line - step % line).min(range.1 - at);
            body(row, step / line * self.output[1] + step % line * width, count);
            at += count;
        }
    }

    pub(super) fn runs(&self, places: (usize, usize), into: &mut Vec<Run>) {
        into.clear();
        let mut place = places.0;
        while place < places.1 {
            let end = (place / self.output[1] + 1) * self.output[1];
            let length = end.min(places.1) - place;
            into.push(Run {
                at: place - places.0,
                length,
                from: self.place(place),
            });
            place += length;
        }
    }
}

/// Places that lie one after another in a line of the output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// First place, counted from the start of its block.
    pub at: usize,
    pub length: usize,
    /// Offset of the first place in the padded input.
    pub from: usize,
}

/// Memory that one thread reuses.
#[derive(Debug, Default)]
pub(crate) struct WindowScratch {
    pub runs: Vec<Run>,
    pub taps: Vec<usize>,
    pub offsets: Vec<usize>,
    pub plane: Vec<f32>,
    pub sums: Vec<f32>,
    pub spare: Vec<Vec<f32>>,
}

//! Buffers that Java fills with rows.

use candlewick_protocol::Failure;
use std::alloc::{Layout, alloc_zeroed, dealloc};

/// Largest buffer: a batch of rows is a few megabytes, so more than this is a mistake.
const MAX_BYTES: i64 = 1 << 34;

/// An address as Java keeps it: a long of the same bits.
#[expect(clippy::cast_possible_wrap, reason = "the bits matter, not the number")]
pub(crate) fn to_java(address: usize) -> i64 {
    address as i64
}

/// The address that [`to_java`] was given.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the bits matter, not the number"
)]
fn from_java(address: i64) -> usize {
    address as usize
}

fn layout(capacity: i64) -> Result<Layout, Failure> {
    let bytes = usize::try_from(capacity)
        .ok()
        .filter(|_| (1..=MAX_BYTES).contains(&capacity));
    let layout = bytes.and_then(|bytes| Layout::from_size_align(bytes, 8).ok());
    layout.ok_or_else(|| Failure::parameter(format!("a buffer holds 1 to {MAX_BYTES} bytes, not {capacity}")))
}

/// Allocates `capacity` zeroed bytes, aligned to 8; returns the address.
///
/// # Errors
/// `InvalidParameter` for a capacity out of range, `Unavailable` where there is no memory.
pub fn allocate(capacity: i64) -> Result<i64, Failure> {
    let layout = layout(capacity)?;
    // SAFETY: the layout has a size of at least 1.
    let address = unsafe { alloc_zeroed(layout) };
    if address.is_null() {
        return Err(Failure::unavailable(format!(
            "no memory for a buffer of {capacity} bytes"
        )));
    }
    Ok(to_java(address.expose_provenance()))
}

/// Frees a buffer.
///
/// # Safety
/// `address` and `capacity` are those of an [`allocate`] that was not freed, and nobody uses the memory any more.
///
/// # Errors
/// `InvalidParameter` for a capacity that [`allocate`] refuses.
pub unsafe fn free(address: i64, capacity: i64) -> Result<(), Failure> {
    let layout = layout(capacity)?;
    // SAFETY: the caller promises that this is an allocation of this layout.
    unsafe { dealloc(std::ptr::with_exposed_provenance_mut(from_java(address)), layout) };
    Ok(())
}

/// The memory at `address` that Java writes to, and its size; no reference to it is made.
///
/// # Errors
/// `Internal` for a null address or a size below 0.
pub fn place(address: i64, bytes: i64) -> Result<(*mut u8, usize), Failure> {
    let size = usize::try_from(bytes).ok().filter(|_| address != 0);
    let size = size.ok_or_else(|| Failure::internal(format!("{bytes} bytes at address {address}")))?;
    Ok((std::ptr::with_exposed_provenance_mut(from_java(address)), size))
}

/// The `bytes` bytes at `address`.
///
/// # Safety
/// They are readable, initialised and not written to for the lifetime `'a`, which the caller chooses.
///
/// # Errors
/// `Internal` for a null address or a size below 0.
pub unsafe fn view<'a>(address: i64, bytes: i64) -> Result<&'a [u8], Failure> {
    let (place, size) = place(address, bytes)?;
    // SAFETY: the caller promises that the bytes are readable and stay as they are.
    Ok(unsafe { std::slice::from_raw_parts(place, size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_out_of_range_are_refused() {
        for capacity in [0, -1, i64::MAX] {
            assert!(allocate(capacity).is_err());
        }
        let address = allocate(24).unwrap();
        assert_eq!(address % 8, 0);
        // SAFETY: allocated above with this size and used by nobody else.
        unsafe {
            assert_eq!(view(address, 24).unwrap(), [0; 24]);
            let (place, size) = place(address, 24).unwrap();
            // As the JVM does, between two calls.
            place.add(size - 1).write(7);
            assert_eq!(view(address, 24).unwrap()[23], 7);
            free(address, 24).unwrap();
            assert!(view(0, 24).is_err());
        }
    }
}

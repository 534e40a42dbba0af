//! The ring between two trainers under a model checker: every order in which its two sides may meet, with what processors and
//! compilers may reorder. Who sleeps is woken, and what is read is what was written.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the ring is compiled as it is")]

/// The ring's own source, on what the model checker watches.
#[path = "../src/link"]
mod link {
    /// A ring of three bytes, written two at a time.
    pub(crate) mod base {
        pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
        pub(crate) const CAPACITY: usize = 3;
        pub(crate) const PIECE: usize = 2;
    }

    pub(crate) mod ring;
}

use link::base::CAPACITY;
use link::ring::{Control, Ring};
use loom::sync::{Arc, Notify};
use std::cell::UnsafeCell;
use std::io::IoSlice;

/// A ring, and the calls that wake its sides: what the connection beside it is to trainers.
#[derive(Default)]
struct Between {
    control: Control,
    bytes: UnsafeCell<[u8; CAPACITY]>,
    reader: Bell,
    writer: Bell,
}

struct Bell(Notify);

impl Default for Bell {
    fn default() -> Self {
        Bell(Notify::new())
    }
}

// SAFETY: the bytes are reached through the ring only.
unsafe impl Sync for Between {}
// SAFETY: as above.
unsafe impl Send for Between {}

impl Between {
    fn ring(&self) -> Ring<'_> {
        // SAFETY: the bytes live as long as this, and only the two sides look at them.
        unsafe { Ring::new(&self.control, self.bytes.get().cast()) }
    }

    /// Writes all of `data`, asleep where there is no room.
    fn write(&self, data: &[u8]) {
        let (mut own, mut done) = (0, 0);
        while done < data.len() {
            let moved = self
                .ring()
                .write(&mut own, &[IoSlice::new(&data[done..])])
                .unwrap();
            if moved.wake {
                self.reader.0.notify();
            }
            done += moved.bytes;
            if moved.bytes == 0 {
                if self.ring().writer_sleeps(own) {
                    self.writer.0.wait();
                }
                self.ring().writer_woke();
            }
        }
    }

    /// Reads `length` bytes, asleep where there are none.
    fn read(&self, length: usize) -> Vec<u8> {
        let (mut own, mut all) = (0, Vec::new());
        while all.len() < length {
            let mut part = [0; 2];
            let moved = self.ring().read(&mut own, [&mut part, &mut []]).unwrap();
            if moved.wake {
                self.writer.0.notify();
            }
            all.extend_from_slice(&part[..moved.bytes]);
            if moved.bytes == 0 {
                if self.ring().reader_sleeps(own) {
                    self.reader.0.wait();
                }
                self.ring().reader_woke();
            }
        }
        all
    }
}

/// A writer and a reader that sleep whenever they can. A call that is lost is a deadlock, which the checker finds.
#[test]
fn nobody_sleeps_while_there_is_something_to_do() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let between = Arc::new(Between::default());
        let writer = {
            let between = Arc::clone(&between);
            loom::thread::spawn(move || between.write(&[1, 2, 3, 4, 5]))
        };
        assert_eq!(between.read(5), [1, 2, 3, 4, 5]);
        writer.join().unwrap();
    });
}

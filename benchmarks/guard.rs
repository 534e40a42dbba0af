//! What the `guard` benchmarks of the crates share. `guard` lists the operations of a crate, each on a line; `guard NAME`
//! prepares one and runs it once inside of [`guarded`], whose instructions benchmarks/guard.py has Callgrind count;
//! `guard --level` names the instructions that the engine computes with here, since another level counts otherwise.

/// An operation's name, and what prepares it and calls [`guarded`].
pub type Operation = (&'static str, fn());

/// Callgrind counts what happens inside of this function, which it finds by its name.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn guarded(operation: &mut dyn FnMut()) {
    operation();
}

/// The program around the operations of a crate.
pub fn main(operations: &[Operation]) {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted == "--level" {
        println!("{}", candlewick_model::cpu_level());
    }
    for (name, run) in operations {
        if wanted.is_empty() {
            println!("{name}");
        } else if wanted == *name {
            run();
        }
    }
}

//! The trainer binary of tests, held at the points that its environment names; it is never packed.

fn main() {
    candlewick_failpoint::arm_from_environment();
    std::process::exit(candlewick_trainer::cli::main(candlewick_trainer::cli::CPU));
}

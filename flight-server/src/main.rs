//! The trainer binary; see `candlewick_trainer::cli`.

fn main() {
    std::process::exit(candlewick_trainer::cli::main(candlewick_trainer::cli::CPU));
}

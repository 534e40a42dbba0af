//! The trainer binary that computes on NVIDIA GPUs; see `candlewick_trainer::cli`.

fn main() {
    std::process::exit(candlewick_trainer::cli::main(candlewick_trainer::cli::GPU));
}

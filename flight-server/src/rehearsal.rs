//! The trainer binary that stands in for `candlewick-trainer-gpu` in tests, with candle on processors; it is never packed into what
//! ships.

fn main() {
    std::process::exit(candlewick_trainer::cli::main(candlewick_trainer::cli::REHEARSAL));
}

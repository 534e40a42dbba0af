//! The library that scores on NVIDIA GPUs; see `candlewick_scoring`.

candlewick_scoring::library!(candlewick_scoring::open::on_gpu);

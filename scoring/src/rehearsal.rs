//! The library that stands in for `libcandlewick_score_gpu.so` in tests, with candle on processors; it is never packed into what ships.

candlewick_scoring::library!(candlewick_scoring::open::rehearsed);

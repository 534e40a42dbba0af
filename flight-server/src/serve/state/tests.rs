//! A server in this process, so that a test sees the rows that have come and do not count yet.

use super::*;
use crate::serve::service::ServeService;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int32Array, RecordBatch};
use arrow_flight::utils::batches_to_flight_data;
use arrow_flight::{FlightData, FlightDescriptor};
use arrow_schema::{DataType, Field};
use candlewick_wire::{AuthMode, Client, ServerAuth, Windows};
use std::time::{Duration, Instant};
use tonic::Request;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Far more than anything takes.
const WAIT: Duration = Duration::from_secs(120);
const ROWS: u64 = 10;

async fn start(state: &Arc<ServerState>) -> Client {
    let listener = candlewick_wire::bind("127.0.0.1", "0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let auth = ServerAuth::new(AuthMode::Bearer(TOKEN.into()));
    let service = ServeService::new(Arc::clone(state), mpsc::channel(1).0);
    tokio::spawn(candlewick_wire::serve(
        listener,
        service,
        (auth, Windows::default()),
        std::future::pending(),
    ));
    Client::connect_bearer("127.0.0.1", port, TOKEN, WAIT)
        .await
        .unwrap()
}

/// The schema and ten rows.
fn frames() -> Vec<FlightData> {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let values = Arc::new(Float32Array::from_iter_values((0..20u8).map(f32::from)));
    let features: ArrayRef = Arc::new(FixedSizeListArray::new(item, 2, values, None));
    let label: ArrayRef = Arc::new(Int32Array::from_iter_values((0..10).map(|row| row % 3)));
    let batch = RecordBatch::try_from_iter([("features", features), ("label", label)]).unwrap();
    let mut frames = batches_to_flight_data(&batch.schema(), &[batch]).unwrap();
    frames[0].flight_descriptor = Some(FlightDescriptor::new_path(vec!["rows".into()]));
    frames
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !reached() {
        assert!(Instant::now() < deadline, "waiting for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_its_client_broke_off_counts_for_nothing_and_the_next_one_once() {
    let state = Arc::new(ServerState::new(1, crate::dataset::testing::no_spill()));
    let body = json!({
        "task": "classifier", "featureWidth": 2,
        "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]},
    });
    state.configure(body.to_string().as_bytes()).unwrap();
    let spool = state.lock().spool.clone().unwrap();
    let client = start(&state).await;

    let (sender, receiver) = mpsc::channel::<FlightData>(4);
    for frame in frames() {
        sender.send(frame).await.unwrap();
    }
    let stream = futures::stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    let request = client.authorize("DoPut", Request::new(stream));
    let mut flight = client.flight();
    let put = tokio::spawn(async move { flight.do_put(request).await.map(|_| ()) });
    until("the rows", || spool.rows() == ROWS).await;
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    until("the end of the put", || state.lock().puts == 0).await;
    assert_eq!(state.rows(), 0);
    drop(sender);

    let request = client.authorize("DoPut", Request::new(futures::stream::iter(frames())));
    let mut answers = client.flight().do_put(request).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let answer: Value = serde_json::from_slice(&answer.app_metadata).unwrap();
    assert_eq!(answer, json!({"rows": ROWS, "total": ROWS}));
}

//! `candlewick-trainer serve`, driven by a plain Arrow Flight client.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod common;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::utils::batches_to_flight_data;
use arrow_flight::{Action, Criteria, Empty, FlightData, FlightDescriptor, Ticket};
use candlewick_model::network::Network;
use candlewick_protocol::class_weight::ClassWeight;
use candlewick_wire::Client;
use common::data::{FEATURES, Row, job, network, optimizer, rows};
use common::{Gang, WAIT, binary, first_line};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Child;
use std::sync::Arc;
use tonic::{Code, Request, Status};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A server of its own for a test; killed at its end.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let mut child = binary(&["serve", "--token-stdin", "--threads", "2"]);
        writeln!(child.stdin.take().unwrap(), "{TOKEN}").unwrap();
        let line = first_line(&mut child);
        let (text, port) = line.trim().rsplit_once(':').unwrap();
        assert_eq!(text, "candlewick-trainer listening on grpc://127.0.0.1");
        Server {
            child,
            port: port.parse().unwrap(),
        }
    }

    async fn client(&self) -> Client {
        Client::connect_bearer("127.0.0.1", self.port, TOKEN, WAIT)
            .await
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn action(client: &Client, name: &str, body: &Value) -> Result<Vec<arrow_flight::Result>, Status> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = client.authorize("DoAction", Request::new(Action::new(name, body)));
    client
        .flight()
        .do_action(request)
        .await?
        .into_inner()
        .try_collect()
        .await
}

async fn answer(client: &Client, name: &str, body: &Value) -> Result<Value, Status> {
    let results = action(client, name, body).await?;
    Ok(serde_json::from_slice(&results[0].body).unwrap())
}

async fn put(client: &Client, path: &str, batches: &[RecordBatch]) -> Result<Value, Status> {
    put_at(client, &[path], batches).await
}

async fn put_at(client: &Client, path: &[&str], batches: &[RecordBatch]) -> Result<Value, Status> {
    let mut frames = batches_to_flight_data(&batches[0].schema(), batches).unwrap();
    let path = path.iter().map(|name| (*name).to_owned()).collect();
    frames[0].flight_descriptor = Some(FlightDescriptor::new_path(path));
    let request = client.authorize("DoPut", Request::new(futures::stream::iter(frames)));
    let mut answers = client.flight().do_put(request).await?.into_inner();
    let metadata = answers.message().await?.unwrap().app_metadata;
    Ok(serde_json::from_slice(&metadata).unwrap())
}

/// What a message beyond the limit is told.
async fn too_long(client: &Client, rows: &[Row]) -> Status {
    let batch = batch(rows);
    let mut frames = batches_to_flight_data(&batch.schema(), &[batch]).unwrap();
    frames[0].flight_descriptor = Some(FlightDescriptor::new_path(vec!["rows".to_owned()]));
    frames[1].data_body = vec![0; 64 << 20].into();
    let request = client.authorize("DoPut", Request::new(futures::stream::iter(frames)));
    let mut flight = client.flight().max_encoding_message_size(usize::MAX);
    match flight.do_put(request).await {
        Err(status) => status,
        Ok(answers) => answers.into_inner().message().await.unwrap_err(),
    }
}

async fn get(client: &Client, ticket: &str) -> Result<Vec<RecordBatch>, Status> {
    let request = client.authorize("DoGet", Request::new(Ticket::new(ticket.to_owned())));
    let frames = client.flight().do_get(request).await?.into_inner();
    let frames = frames.map_err(|status| FlightError::Tonic(Box::new(status)));
    Ok(FlightRecordBatchStream::new_from_flight_data(frames)
        .try_collect()
        .await
        .unwrap())
}

/// The rows as another client would send them: labels as int32.
fn batch(rows: &[Row]) -> RecordBatch {
    let full = common::feed::batch(rows);
    let label: ArrayRef = Arc::new(Int32Array::from_iter_values(
        rows.iter().map(|row| row.label as i32),
    ));
    let (features, weight) = (full.column(0).clone(), full.column(2).clone());
    RecordBatch::try_from_iter([("weight", weight), ("features", features), ("label", label)]).unwrap()
}

fn request(epochs: u32) -> Value {
    json!({
        "task": "classifier", "featureWidth": FEATURES, "network": network(), "optimizer": optimizer(),
        "epochs": epochs, "batchSize": 64, "seed": 42, "clipNorm": 1.0,
    })
}

#[test]
fn a_plain_client_feeds_trains_and_reads_what_a_gang_would_give() {
    let rows = rows(300);
    let mut spec = job(3, 64);
    spec.train.class_weight = Some(ClassWeight::Balanced);
    let gang = Gang::start(spec, 2);
    let ledger = gang.seal(&gang.feed(&rows, 70));
    let wanted = gang.train(ledger);
    let server = Server::start();
    common::feed::runtime().block_on(async {
        let client = server.client().await;
        assert_eq!(
            answer(&client, "status", &Value::Null).await.unwrap()["state"],
            "empty"
        );
        let mut asked = request(3);
        asked["classWeight"] = json!("balanced");
        let configured = answer(&client, "configure", &asked).await.unwrap();
        assert_eq!(configured["train"]["logicalShards"], 8);
        assert!(configured["summary"].as_str().unwrap().contains("Linear"));
        let put_answer = put(&client, "rows", &[batch(&rows[..100]), batch(&rows[100..150])])
            .await
            .unwrap();
        assert_eq!(put_answer, json!({"rows": 150, "total": 150}));
        assert_eq!(
            put(&client, "rows", &[batch(&rows[150..])]).await.unwrap()["total"],
            300
        );
        let records = action(&client, "train", &Value::Null).await.unwrap();
        let losses: Vec<f64> = records
            .iter()
            .map(|record| {
                serde_json::from_slice::<Value>(&record.body).unwrap()["loss"]
                    .as_f64()
                    .unwrap()
            })
            .collect();
        assert_eq!(losses, wanted.losses);
        let status = answer(&client, "status", &Value::Null).await.unwrap();
        assert_eq!(status["state"], "trained");
        assert_eq!(status["weightsHash"], wanted.weights_hash.as_str());
        assert_eq!(status["classWeights"], wanted.class_weights);
        let file = action(&client, "weights.safetensors", &Value::Null)
            .await
            .unwrap();
        let file: Vec<u8> = file.iter().flat_map(|piece| piece.body.to_vec()).collect();
        assert_eq!(file, wanted.weights);
        check_arrow(&client, &file, &losses).await;
        check_flights(&client).await;
        // Again from the start: the same bits.
        action(&client, "train", &Value::Null).await.unwrap();
        let status = answer(&client, "status", &Value::Null).await.unwrap();
        assert_eq!(status["weightsHash"], wanted.weights_hash.as_str());
        // No rows are none that the model has not seen.
        let none = put(&client, "rows", &[batch(&rows[..0])]).await.unwrap();
        assert_eq!(none, json!({"rows": 0, "total": 300}));
        let status = answer(&client, "status", &Value::Null).await.unwrap();
        assert_eq!(status["weightsHash"], wanted.weights_hash.as_str());
    });
}

async fn check_arrow(client: &Client, file: &[u8], losses: &[f64]) {
    let job = job(3, 64);
    let network = Network::from_document(&job.train.network, &job.data.input_shape).unwrap();
    let wanted = network.load_weights(file).unwrap();
    let batches = get(client, "weights").await.unwrap();
    let mut have = vec![f32::NAN; wanted.len()];
    let mut names = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let parameter = &network.parameters()[names.len()];
            names.push(batch["name"].as_string::<i32>().value(row).to_owned());
            let shape = batch["shape"].as_list::<i32>().value(row);
            let shape: Vec<usize> = shape
                .as_primitive::<Int64Type>()
                .values()
                .iter()
                .map(|n| *n as usize)
                .collect();
            assert_eq!(shape, parameter.shape);
            let data = batch["data"].as_list::<i32>().value(row);
            have[parameter.offset..][..parameter.len()]
                .copy_from_slice(data.as_primitive::<Float32Type>().values());
        }
    }
    assert_eq!(names, ["0.weight", "0.bias", "3.weight", "3.bias"]);
    assert!(have == wanted, "the Arrow weights are those of the file");
    let metrics = get(client, "metrics").await.unwrap();
    assert_eq!(metrics[0]["loss"].as_primitive::<Float64Type>().values(), losses);
}

/// What the server says that it holds.
async fn check_flights(client: &Client) {
    let request = client.authorize("ListFlights", Request::new(Criteria::default()));
    let flights: Vec<_> = client
        .flight()
        .list_flights(request)
        .await
        .unwrap()
        .into_inner()
        .try_collect()
        .await
        .unwrap();
    let told: Vec<(String, i64)> = flights
        .iter()
        .map(|flight| {
            (
                flight.flight_descriptor.as_ref().unwrap().path[0].clone(),
                flight.total_records,
            )
        })
        .collect();
    assert_eq!(
        told,
        [("rows".into(), 300), ("weights".into(), 4), ("metrics".into(), 3)]
    );
    let path = FlightDescriptor::new_path(vec!["metrics".into()]);
    let request = client.authorize("GetFlightInfo", Request::new(path.clone()));
    let info = client
        .flight()
        .get_flight_info(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        info.endpoint[0].ticket.as_ref().unwrap().ticket.as_ref(),
        b"metrics"
    );
    let request = client.authorize("GetSchema", Request::new(path));
    assert!(
        !client
            .flight()
            .get_schema(request)
            .await
            .unwrap()
            .into_inner()
            .schema
            .is_empty()
    );
}

#[test]
fn what_is_wrong_or_out_of_order_is_told() {
    let server = Server::start();
    common::feed::runtime().block_on(async {
        let client = server.client().await;
        let told = |outcome: Result<Value, Status>| outcome.unwrap_err().message().to_owned();
        let rows = rows(60);
        assert!(
            told(put(&client, "rows", &[batch(&rows)]).await).contains("send the action \"configure\" first")
        );
        assert!(told(answer(&client, "train", &Value::Null).await).contains("\"configure\" first"));
        assert!(told(answer(&client, "dance", &Value::Null).await).contains("there is no action \"dance\""));
        let wrong = json!({"task": "classifier", "featureWidth": 6, "network": {"layers": []}});
        assert!(told(answer(&client, "configure", &wrong).await).contains("network"));
        answer(&client, "configure", &request(1)).await.unwrap();
        assert!(told(answer(&client, "train", &Value::Null).await).contains("no rows to train on"));
        assert!(
            get(&client, "weights")
                .await
                .unwrap_err()
                .message()
                .contains("send the action \"train\"")
        );
        assert_eq!(get(&client, "x").await.unwrap_err().code(), Code::NotFound);
        assert!(told(put(&client, "other", &[batch(&rows)]).await).contains("[\"rows\"]"));
        let mut odd = rows.clone();
        odd[7].label = 9.0;
        assert!(
            told(put(&client, "rows", &[batch(&odd)]).await).contains("row 7 of batch 0: its label is 9")
        );
        let fewer = told(put_at(&client, &["rows", "61"], &[batch(&rows)]).await);
        assert!(
            fewer.contains("60 rows came, but the descriptor announced 61: none of them counts"),
            "{fewer}"
        );
        assert!(
            told(put_at(&client, &["rows", "many"], &[batch(&rows)]).await).contains("[\"rows\", \"1000\"]")
        );
        let long = too_long(&client, &rows).await;
        assert!(
            long.code() == Code::InvalidArgument && long.message().contains("longer than 64 MiB"),
            "{long}"
        );
        // Nothing of the refused streams counts.
        let announced = put_at(&client, &["rows", "60"], &[batch(&rows)]).await;
        assert_eq!(announced.unwrap()["total"], 60);
        let mut narrow = request(1);
        narrow["featureWidth"] = json!(5);
        assert!(told(answer(&client, "configure", &narrow).await).contains("\"reset\" first"));
        answer(&client, "reset", &Value::Null).await.unwrap();
        answer(&client, "configure", &narrow).await.unwrap();
        let request = client.authorize("ListActions", Request::new(Empty {}));
        let actions: Vec<_> = client
            .flight()
            .list_actions(request)
            .await
            .unwrap()
            .into_inner()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(actions.len(), 6);
    });
}

#[test]
fn one_training_at_a_time_and_no_rows_during_it() {
    let server = Server::start();
    common::feed::runtime().block_on(async {
        let client = server.client().await;
        answer(&client, "configure", &request(1_000_000)).await.unwrap();
        put(&client, "rows", &[batch(&rows(300))]).await.unwrap();
        let training = client.authorize("DoAction", Request::new(Action::new("train", "")));
        let mut records = client.flight().do_action(training).await.unwrap().into_inner();
        assert!(records.next().await.unwrap().is_ok());
        let told = |outcome: Result<Value, Status>| outcome.unwrap_err().message().to_owned();
        assert!(
            told(put(&client, "rows", &[batch(&rows(10))]).await).contains("refused during a training run")
        );
        assert!(told(answer(&client, "train", &Value::Null).await).contains("refused during a training run"));
        assert!(told(answer(&client, "reset", &Value::Null).await).contains("refused during a training run"));
        assert_eq!(
            answer(&client, "status", &Value::Null).await.unwrap()["state"],
            "training"
        );
        // The training ends with its caller.
        drop(records);
        let deadline = tokio::time::Instant::now() + WAIT;
        while answer(&client, "status", &Value::Null).await.unwrap()["state"] == "training" {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        // A DoPut that goes on holds back a training.
        let (frames, stream) = tokio::sync::mpsc::channel::<FlightData>(4);
        let mut first = batches_to_flight_data(&batch(&rows(10)).schema(), &[batch(&rows(10))]).unwrap();
        first[0].flight_descriptor = Some(FlightDescriptor::new_path(vec!["rows".into()]));
        let stream = futures::stream::unfold(stream, async |mut stream| Some((stream.recv().await?, stream)));
        let request = client.authorize("DoPut", Request::new(stream));
        let mut flight = client.flight();
        let open =
            tokio::spawn(async move { flight.do_put(request).await.map(|answer| answer.into_inner()) });
        for frame in first {
            frames.send(frame).await.unwrap();
        }
        while answer(&client, "status", &Value::Null).await.unwrap()["puts"] != 1 {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let refused = answer(&client, "reset", &Value::Null).await.unwrap_err();
        assert!(
            refused.message().contains("refused while 1 DoPut go on"),
            "{refused}"
        );
        drop(frames);
        let _ = open.await.unwrap();
    });
}

#[test]
fn a_call_without_the_token_is_refused_and_shutdown_ends_the_process() {
    let mut server = Server::start();
    common::feed::runtime().block_on(async {
        let stranger = Client::connect_bearer("127.0.0.1", server.port, "not-the-token-at-all", WAIT)
            .await
            .unwrap();
        let refused = answer(&stranger, "status", &Value::Null).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
        let refused = put(&stranger, "rows", &[batch(&rows(3))]).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
        let client = server.client().await;
        answer(&client, "shutdown", &Value::Null).await.unwrap();
    });
    assert!(common::ended(&mut server.child, "the server").success());
    assert!(std::net::TcpStream::connect(("127.0.0.1", server.port)).is_err());
}

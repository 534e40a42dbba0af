//! The functions of `candlewick.jni.NativeMethods`.
//!
//! Each is its name, its arguments and one body inside the [`boundary`]; what it does lives in the module it calls.
#![expect(non_snake_case, reason = "the JVM finds a native method by this name")]

use crate::boundary::{self, Thrown};
use crate::feeder::{FeedTask, Feeder};
use crate::planning::PlanRequest;
use crate::runtime::{self, Wait};
use crate::scorer::{Model, ModelSpec, ScoreTask, Scorer};
use crate::{canary, delivery, handles, memory, report};
use candlewick_coordinator::{Coordinator, CoordinatorConfig, Snapshot};
use candlewick_model::job::complete;
use candlewick_model::network::Network;
use candlewick_model::onnx;
use candlewick_model::resolve::{output_classes, outputs};
use candlewick_model::summary::summary_for;
use candlewick_model::weights::Loading;
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobInput;
use candlewick_protocol::keys::{JobSecret, KeyRing, Purpose};
use candlewick_protocol::params;
use jni::objects::{JByteArray, JClass, JObject, JString};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned, jni_sig, jni_str};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A Java string of `text`.
fn string<'l>(env: &mut Env<'l>, text: impl AsRef<str>) -> Result<JObject<'l>, Thrown> {
    Ok(JString::new(env, text)?.into())
}

/// Parses a JSON argument; `what` names it in the error.
fn parse<T: DeserializeOwned>(env: &Env<'_>, text: &JString<'_>, what: &str) -> Result<T, Thrown> {
    let text = text.try_to_string(env)?;
    let parsed = serde_json::from_str(&text);
    Ok(parsed.map_err(|error| Failure::parameter(format!("{what} is not what is expected: {error}")))?)
}

fn to_json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::internal(error.to_string()))
}

macro_rules! exports {
    ($($(#[$doc:meta])* fn $name:ident<$l:lifetime>($env:ident $(, $arg:ident: $type:ty)* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$doc])*
        #[unsafe(export_name = concat!("Java_candlewick_jni_NativeMethods_", stringify!($name)))]
        pub extern "system" fn $name<$l>(mut unowned: EnvUnowned<$l>, _: JClass<$l> $(, $arg: $type)*) $(-> $ret)? {
            boundary::run(&mut unowned, |$env| $body)
        }
    )*};
}

/// Runs `body` with a [`Wait`] that asks the JVM whether the calling thread is interrupted.
fn waiting<T>(
    env: &mut Env<'_>,
    closed: &AtomicBool,
    told: bool,
    body: impl FnOnce(&mut Wait<'_>) -> Result<T, Thrown>,
) -> Result<T, Thrown> {
    let mut interrupted = || told || thread_interrupted(env);
    body(&mut Wait {
        closed,
        interrupted: &mut interrupted,
        clock: &Instant::now,
    })
}

/// Calls `NativeMethods.threadInterrupted`. Where that fails, which it does not, the thread counts as interrupted.
fn thread_interrupted(env: &mut Env<'_>) -> bool {
    let ask = |env: &mut Env<'_>| {
        let natives = env.find_class(jni_str!("candlewick/jni/NativeMethods"))?;
        env.call_static_method(natives, jni_str!("threadInterrupted"), jni_sig!("()Z"), &[])?
            .z()
    };
    env.with_local_frame(4, ask).unwrap_or(true)
}

/// A feeder as Java holds it.
struct FeederHandle {
    /// Set by close, which may come while another thread is inside.
    closed: AtomicBool,
    /// Taken by finish.
    feeder: Mutex<Option<Feeder>>,
}

impl FeederHandle {
    fn with<T>(&self, body: impl FnOnce(&mut Feeder) -> Result<T, Failure>) -> Result<T, Thrown> {
        let mut feeder = self.feeder.lock().unwrap_or_else(PoisonError::into_inner);
        let feeder = feeder
            .as_mut()
            .ok_or_else(|| Thrown::State("the feeder has finished".to_owned()))?;
        Ok(body(feeder)?)
    }
}

/// A network as `networkSummary` is given it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkRequest {
    network: Value,
    input_shape: Vec<usize>,
    /// Rows of a step, for the memory; left out: the default of the parameter.
    #[serde(default)]
    batch_size: Option<usize>,
    /// Document of the optimiser, for the memory; left out: the default of the parameter.
    #[serde(default)]
    optimizer: Option<Value>,
}

impl NetworkRequest {
    fn summary(&self, network: &Network) -> Result<String, Failure> {
        let rows = match self.batch_size {
            Some(rows) => rows,
            None => usize::try_from(params::default_of("batchSize").as_u64().unwrap_or(1)).unwrap_or(1),
        };
        let optimizer = self
            .optimizer
            .clone()
            .unwrap_or_else(|| params::default_of("optimizer"));
        summary_for(network, rows, &optimizer)
    }
}

/// What `networkOutputs` is asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutputsRequest {
    network: Value,
    #[serde(default)]
    input_shape: Option<Vec<usize>>,
    /// Names of layers or nodes: then their outputs are told, not those of the network. The shape must be known.
    #[serde(default)]
    inner: Option<Vec<String>>,
    /// The loss, if the numbers of classes of the outputs are asked for too.
    #[serde(default)]
    loss: Value,
}

impl OutputsRequest {
    /// Names, widths and numbers of classes of the network's outputs; none where their widths are not known.
    fn outputs(&self) -> Result<Option<Vec<Value>>, Failure> {
        let Some(outputs) = outputs(&self.network, self.input_shape.as_deref())? else {
            return Ok(None);
        };
        let classes = output_classes(&self.loss, &outputs);
        let told = outputs.iter().zip(classes).map(|(output, classes)| {
            json!({"name": output.name, "width": output.range.len(), "numClasses": classes})
        });
        Ok(Some(told.collect()))
    }

    /// Names and widths of the inner values that are asked for.
    fn inner(&self, names: &[String]) -> Result<Vec<Value>, Failure> {
        let shape = self.input_shape.as_deref().unwrap_or_default();
        let network = Network::from_document(&self.network, shape)?;
        let told = names
            .iter()
            .map(|name| Ok(json!({"name": name, "width": network.inner_width(name)?})));
        told.collect()
    }
}

/// What weights are loaded for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WeightsRequest {
    network: Value,
    input_shape: Vec<usize>,
    /// Whether a file to start from must hold exactly the parameters; left out: it is the file of a model.
    #[serde(default)]
    strict: Option<bool>,
    /// Factor for every feature value, for `exportOnnx`; left out: 1.
    #[serde(default)]
    scale: Option<f64>,
}

/// Weights that Java gives in pieces, until they are taken.
struct WeightsHandle {
    network: Network,
    scale: f64,
    loading: Mutex<Option<Loading>>,
}

impl WeightsHandle {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Loading>> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Loading, Thrown> {
        let taken = self.slot().take();
        taken.ok_or_else(|| Thrown::State("the weights were taken".to_owned()))
    }
}

/// A file in native memory that Java reads in parts.
struct Blob {
    bytes: Arc<Vec<u8>>,
}

/// The part of a file at `offset`, of at most `most` bytes.
fn part_of(bytes: &[u8], offset: jlong, most: jint) -> &[u8] {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| bytes.get(offset..));
    let rest = rest.unwrap_or_default();
    &rest[..rest.len().min(usize::try_from(most).unwrap_or_default())]
}

/// A scorer as Java holds it.
type ScorerHandle = Mutex<Scorer>;

/// Runs `body` with the scorer behind a handle.
fn with_scorer<T>(handle: jlong, body: impl FnOnce(&mut Scorer) -> Result<T, Failure>) -> Result<T, Thrown> {
    let scorer = handles::get::<ScorerHandle>(handle)?;
    let mut scorer = scorer.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(body(&mut scorer)?)
}

/// The address of bytes that outlive the call, for Java.
fn address_of(bytes: &[u8]) -> jlong {
    memory::to_java(bytes.as_ptr().expose_provenance())
}

exports! {
    fn version<'l>(env) -> JObject<'l> {
        string(env, env!("CARGO_PKG_VERSION"))
    }

    fn newSecret<'l>(env) -> JObject<'l> {
        string(env, JobSecret::random()?.to_hex())
    }

    fn deriveKeys<'l>(env, secret: JString<'l>, job: JString<'l>, purposes: JString<'l>, tls: jboolean) -> JObject<'l> {
        let secret = JobSecret::from_hex(&secret.try_to_string(env)?)?;
        let named = purposes.try_to_string(env)?;
        let purposes: Option<Vec<Purpose>> = named.split(',').map(|name| Purpose::of(name.trim())).collect();
        let purposes = purposes.ok_or_else(|| {
            Failure::parameter(format!("there are keys for feed, peer and control, got \"{named}\""))
        })?;
        string(env, to_json(&secret.ring(&job.try_to_string(env)?, &purposes, tls))?)
    }

    fn panic<'l>(env, message: JString<'l>) {
        let message = message.try_to_string(env)?;
        #[expect(clippy::panic, reason = "this export is how the boundary is tested from Java")]
        std::panic::panic_any(message)
    }

    fn canary<'l>(env, address: jlong, bytes: jint) -> JObject<'l> {
        // SAFETY: Java passes a row that it keeps until the call returns.
        let row = unsafe { memory::view(address, bytes.into()) }?;
        string(env, canary::read(row)?)
    }

    fn bufferAllocate<'l>(_env, capacity: jlong) -> jlong {
        Ok(memory::allocate(capacity)?)
    }

    fn bufferFree<'l>(_env, address: jlong, capacity: jlong) {
        // SAFETY: NativeBuffer frees what it allocated, once, under its lock.
        Ok(unsafe { memory::free(address, capacity) }?)
    }

    fn bufferView<'l>(env, address: jlong, capacity: jlong) -> JObject<'l> {
        let (place, size) = memory::place(address, capacity)?;
        // SAFETY: NativeBuffer passes its own memory; its documentation says how long the view may be used. The JVM reads and
        // writes through the address, native code only during calls.
        Ok(unsafe { env.new_direct_byte_buffer(place, size) }?.into())
    }

    fn feederOpen<'l>(env, task: JString<'l>, keys: JString<'l>) -> jlong {
        let task: FeedTask = parse(env, &task, "the feed task")?;
        let keys: KeyRing = parse(env, &keys, "the job's keys")?;
        let feeder = Mutex::new(Some(Feeder::new(task, keys)?));
        Ok(handles::insert(FeederHandle { closed: AtomicBool::new(false), feeder }))
    }

    fn feederPush<'l>(env, handle: jlong, address: jlong, bytes: jlong, rows: jint, interrupted: jboolean) -> jboolean {
        let handle = handles::get::<FeederHandle>(handle)?;
        // SAFETY: Java passes its own buffer and holds its lock until the call returns.
        let batch = unsafe { memory::view(address, bytes) }?;
        let rows = usize::try_from(rows).unwrap_or_default();
        waiting(env, &handle.closed, interrupted, |wait| handle.with(|feeder| feeder.push(batch, rows, wait)))
    }

    fn feederFinish<'l>(env, handle: jlong, rows_read: jlong) -> JObject<'l> {
        let handle = handles::get::<FeederHandle>(handle)?;
        let rows_read = u64::try_from(rows_read).unwrap_or_default();
        let ledger = waiting(env, &handle.closed, false, |wait| handle.with(|feeder| feeder.finish(rows_read, wait)))?;
        handle.feeder.lock().unwrap_or_else(PoisonError::into_inner).take();
        string(env, to_json(&ledger)?)
    }

    fn feederClose<'l>(_env, handle: jlong) {
        if let Some(handle) = handles::remove::<FeederHandle>(handle)? {
            handle.closed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn resolve<'l>(env, request: JString<'l>) -> JObject<'l> {
        let input: JobInput = parse(env, &request, "the job request")?;
        string(env, complete(&input)?.to_json().to_string())
    }

    fn trainingPlan<'l>(env, request: JString<'l>) -> JObject<'l> {
        let request: PlanRequest = parse(env, &request, "the request for a plan")?;
        string(env, request.plan()?.to_string())
    }

    fn networkSummary<'l>(env, request: JString<'l>) -> JObject<'l> {
        let request: NetworkRequest = parse(env, &request, "the summary request")?;
        let network = Network::from_document(&request.network, &request.input_shape)?;
        string(env, request.summary(&network)?)
    }

    fn weightsBegin<'l>(env, request: JString<'l>) -> jlong {
        let request: WeightsRequest = parse(env, &request, "the request for weights")?;
        let network = Network::from_document(&request.network, &request.input_shape)?;
        let loading = match request.strict {
            Some(strict) => network.begin_initial(strict, 0),
            None => network.begin_load(),
        };
        Ok(handles::insert(WeightsHandle { network, scale: request.scale.unwrap_or(1.0), loading: Mutex::new(Some(loading)) }))
    }

    fn weightsAdd<'l>(env, handle: jlong, piece: JByteArray<'l>) {
        let weights = handles::get::<WeightsHandle>(handle)?;
        let piece = env.convert_byte_array(&piece)?;
        let mut loading = weights.slot();
        let loading = loading.as_mut().ok_or_else(|| Thrown::State("the weights were taken".to_owned()))?;
        Ok(loading.push(&piece)?)
    }

    fn weightsClose<'l>(_env, handle: jlong) {
        handles::remove::<WeightsHandle>(handle).map(drop)
    }

    fn exportOnnx<'l>(env, weights: jlong) -> JObject<'l> {
        let handle = handles::get::<WeightsHandle>(weights)?;
        let (weights, _) = handle.take()?.finish()?;
        let file = onnx::export(&handle.network, &weights, handle.scale)?;
        Ok(env.byte_array_from_slice(&file)?.into())
    }

    fn networkOutputs<'l>(env, request: JString<'l>) -> JObject<'l> {
        let request: OutputsRequest = parse(env, &request, "the request for the outputs")?;
        let told = match &request.inner {
            Some(names) => json!(request.inner(names)?),
            None => json!(request.outputs()?),
        };
        string(env, told.to_string())
    }

    fn initialWeights<'l>(env, weights: jlong) -> JObject<'l> {
        let (_, report) = handles::get::<WeightsHandle>(weights)?.take()?.finish()?;
        string(env, report.to_json().to_string())
    }

    fn reportExit<'l>(env, config: JString<'l>, code: jint, stderr: JString<'l>) {
        let (config, stderr) = (config.try_to_string(env)?, stderr.try_to_string(env)?);
        Ok(report::exit(&config, code, stderr)?)
    }

    fn coordinatorStart<'l>(env, config: JString<'l>, keys: JString<'l>) -> jlong {
        // Starts the log too, which the coordinator writes to.
        runtime::shared()?;
        let config: CoordinatorConfig = parse(env, &config, "the coordinator's configuration")?;
        let keys: KeyRing = parse(env, &keys, "the job's keys")?;
        Ok(handles::insert(Coordinator::start(config, &keys)?))
    }

    fn coordinatorAddress<'l>(env, handle: jlong) -> JObject<'l> {
        let (host, port) = handles::get::<Coordinator>(handle)?.address();
        string(env, json!({"host": host, "port": port}).to_string())
    }

    fn coordinatorCommand<'l>(env, handle: jlong, command: JString<'l>) -> JObject<'l> {
        let command = command.try_to_string(env)?;
        let answer = handles::get::<Coordinator>(handle)?.command(&command)?;
        string(env, answer)
    }

    fn coordinatorPoll<'l>(env, handle: jlong, timeout_ms: jint) -> JObject<'l> {
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or_default());
        match handles::get::<Coordinator>(handle)?.poll(timeout) {
            Some(event) => string(env, event),
            None => Ok(JObject::null()),
        }
    }

    fn coordinatorWeights<'l>(_env, handle: jlong) -> jlong {
        let bytes = delivery::checked(handles::get::<Coordinator>(handle)?.model()?)?;
        Ok(handles::insert(Blob { bytes }))
    }

    fn blobBytes<'l>(_env, handle: jlong) -> jlong {
        Ok(jlong::try_from(handles::get::<Blob>(handle)?.bytes.len()).unwrap_or(jlong::MAX))
    }

    fn blobRead<'l>(env, handle: jlong, offset: jlong, most: jint) -> JObject<'l> {
        let blob = handles::get::<Blob>(handle)?;
        Ok(env.byte_array_from_slice(part_of(&blob.bytes, offset, most))?.into())
    }

    fn blobClose<'l>(_env, handle: jlong) {
        handles::remove::<Blob>(handle).map(drop)
    }

    fn coordinatorRecord<'l>(env, handle: jlong) -> JObject<'l> {
        string(env, handles::get::<Coordinator>(handle)?.record())
    }

    fn coordinatorSnapshot<'l>(_env, handle: jlong) -> jlong {
        let snapshot = handles::get::<Coordinator>(handle)?.take_snapshot();
        Ok(snapshot.map_or(0, handles::insert))
    }

    fn snapshotInfo<'l>(env, handle: jlong) -> JObject<'l> {
        let snapshot = handles::get::<Snapshot>(handle)?;
        let told = json!({"counter": snapshot.counter, "last": snapshot.last, "bytes": snapshot.state.len()});
        string(env, told.to_string())
    }

    fn snapshotRead<'l>(env, handle: jlong, offset: jlong, most: jint) -> JObject<'l> {
        let snapshot = handles::get::<Snapshot>(handle)?;
        Ok(env.byte_array_from_slice(part_of(&snapshot.state, offset, most))?.into())
    }

    fn snapshotClose<'l>(_env, handle: jlong) {
        handles::remove::<Snapshot>(handle).map(drop)
    }

    fn coordinatorResumeFrom<'l>(env, handle: jlong, offset: jlong, part: JByteArray<'l>) {
        let part = env.convert_byte_array(&part)?;
        let offset = u64::try_from(offset).unwrap_or_default();
        Ok(handles::get::<Coordinator>(handle)?.resume_from(offset, &part)?)
    }

    fn coordinatorClose<'l>(_env, handle: jlong) {
        if let Some(coordinator) = handles::remove::<Coordinator>(handle)? {
            coordinator.shutdown();
        }
        Ok(())
    }

    fn modelLoad<'l>(env, spec: JString<'l>, weights: jlong) -> jlong {
        let spec: ModelSpec = parse(env, &spec, "the model's description")?;
        let handle = handles::get::<WeightsHandle>(weights)?;
        let (weights, _) = handle.take()?.finish()?;
        Ok(handles::insert(Model::of(handle.network.clone(), weights, &spec.label)?))
    }

    fn modelInfo<'l>(env, handle: jlong) -> JObject<'l> {
        let info = handles::get::<Model>(handle)?.info();
        string(env, info.to_string())
    }

    fn modelGolden<'l>(env, handle: jlong) -> JObject<'l> {
        let file = handles::get::<Model>(handle)?.golden()?;
        Ok(env.byte_array_from_slice(&file)?.into())
    }

    fn modelCheckGolden<'l>(env, handle: jlong, file: JByteArray<'l>) {
        let file = env.convert_byte_array(&file)?;
        Ok(handles::get::<Model>(handle)?.check_golden(&file)?)
    }

    fn modelClose<'l>(_env, handle: jlong) {
        handles::remove::<Model>(handle).map(drop)
    }

    fn scorerOpen<'l>(env, model: jlong, task: JString<'l>) -> jlong {
        let model = handles::get::<Model>(model)?;
        let task: ScoreTask = parse(env, &task, "the scoring task")?;
        Ok(handles::insert(ScorerHandle::new(Scorer::new(model, task)?)))
    }

    fn scorerRun<'l>(_env, handle: jlong, address: jlong, bytes: jlong, rows: jint) -> jlong {
        // SAFETY: Java passes its own buffer and holds its lock until the call returns.
        let batch = unsafe { memory::view(address, bytes) }?;
        let rows = usize::try_from(rows).unwrap_or_default();
        with_scorer(handle, |scorer| {
            scorer.run(batch, rows)?;
            Ok(address_of(scorer.result()))
        })
    }

    fn scorerResultBytes<'l>(_env, handle: jlong) -> jlong {
        with_scorer(handle, |scorer| Ok(jlong::try_from(scorer.result().len()).unwrap_or(jlong::MAX)))
    }

    fn scorerKept<'l>(_env, handle: jlong) -> jlong {
        with_scorer(handle, |scorer| Ok(address_of(scorer.row_mask())))
    }

    fn scorerRowBytes<'l>(_env, handle: jlong) -> jlong {
        with_scorer(handle, |scorer| Ok(jlong::try_from(scorer.row_bytes()).unwrap_or(jlong::MAX)))
    }

    fn scorerPlaced<'l>(_env, handle: jlong) -> jint {
        with_scorer(handle, |scorer| Ok(scorer.placed() as jint))
    }

    fn scorerClose<'l>(_env, handle: jlong) {
        handles::remove::<ScorerHandle>(handle).map(drop)
    }
}

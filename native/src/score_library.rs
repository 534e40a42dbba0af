//! The library that scores on GPUs, which is opened where a model asks for one: this library has to load where there is no CUDA.

use candlewick_protocol::score_abi::{
    self, Batch, Close, Description, FAILED, LastError, Open, Score, Version,
};
use candlewick_protocol::{ErrorKind, Failure};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Libraries that one library makes the loader look for, at most.
const MOST_LIBRARIES: usize = 64;
/// What the loader says of one that it does not find.
const NOT_FOUND: &str = ": cannot open shared object file";

/// Where a model is to score.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSpec {
    /// The library's file.
    pub library: PathBuf,
    /// Folders that have what it needs, where the loader does not find it by itself.
    pub folders: Vec<PathBuf>,
    /// The GPU, by the address that Spark has for it.
    pub address: String,
}

/// The library's functions.
#[derive(Debug)]
struct Functions {
    version: Version,
    open: Open,
    score: Score,
    close: Close,
    last_error: LastError,
}

/// The libraries of this process, by file. They stay: CUDA's cannot be taken out again.
static LOADED: Mutex<BTreeMap<PathBuf, Arc<Functions>>> = Mutex::new(BTreeMap::new());

/// A model on a device. Whoever scores with it waits for the others; it goes with its last owner.
#[derive(Debug)]
pub struct DeviceModel {
    functions: Arc<Functions>,
    model: Mutex<Opened>,
}

/// What the library gave for a model.
#[derive(Debug)]
struct Opened(*mut c_void);

// SAFETY: the library's models are used by one thread after another, whichever.
unsafe impl Send for Opened {}

impl DeviceModel {
    /// Puts a model on a device; loads the library where that was not done.
    ///
    /// # Errors
    /// `InvalidParameter` where the library, what it needs, or the GPU is not there, or the library is of another version;
    /// `JobFailed` where the GPU fails, such as for want of memory.
    pub fn open(
        spec: &DeviceSpec,
        description: &Description,
        weights: &[f32],
    ) -> Result<DeviceModel, Failure> {
        let functions = functions(spec)?;
        let text = serde_json::to_string(description)
            .map_err(|error| Failure::internal(format!("the description of a model: {error}")))?;
        let mut model = std::ptr::null_mut();
        // SAFETY: both live as long as the call, and so does the place.
        let done = unsafe {
            (functions.open)(
                text.as_ptr(),
                text.len(),
                weights.as_ptr(),
                weights.len(),
                &raw mut model,
            )
        };
        if done == FAILED {
            return Err(functions.failure());
        }
        Ok(DeviceModel {
            functions,
            model: Mutex::new(Opened(model)),
        })
    }

    /// Scores rows; `asked` is what is asked of them ([`score_abi::Asked`]) as JSON.
    ///
    /// # Errors
    /// `InvalidData` where a layer refuses a value; `JobFailed` where the GPU fails.
    pub fn score(
        &self,
        (rows, features): (usize, &[f32]),
        asked: &str,
        outputs: &mut [f32],
        values: &mut [f32],
    ) -> Result<(), Failure> {
        let batch = Batch {
            rows,
            features: features.as_ptr(),
            features_len: features.len(),
            asked: asked.as_ptr(),
            asked_len: asked.len(),
            outputs: outputs.as_mut_ptr(),
            outputs_len: outputs.len(),
            inner_outputs: values.as_mut_ptr(),
            inner_outputs_len: values.len(),
        };
        let model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the model is open as long as its owner lives, and what the batch points to outlives the call.
        match unsafe { (self.functions.score)(model.0, &raw const batch) } {
            FAILED => Err(self.functions.failure()),
            _ => Ok(()),
        }
    }
}

impl Drop for DeviceModel {
    fn drop(&mut self) {
        let model = self.model.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: it was opened, and its owner goes.
        unsafe { (self.functions.close)(model.0) };
    }
}

impl Functions {
    fn of(library: &Library) -> Result<Functions, libloading::Error> {
        // SAFETY: a library that has these names has them for functions of these types; its version is asked before any other is
        // called.
        unsafe {
            Ok(Functions {
                version: *library.get(score_abi::VERSION)?,
                open: *library.get(score_abi::OPEN)?,
                score: *library.get(score_abi::SCORE)?,
                close: *library.get(score_abi::CLOSE)?,
                last_error: *library.get(score_abi::LAST_ERROR)?,
            })
        }
    }

    fn version(&self) -> String {
        // SAFETY: it answers a text that lives for ever.
        let text = unsafe { CStr::from_ptr((self.version)()) };
        text.to_string_lossy().into_owned()
    }

    /// What this thread's latest call failed with.
    fn failure(&self) -> Failure {
        let mut text = vec![0u8; 1024];
        // SAFETY: there is that much room.
        let wanted = unsafe { (self.last_error)(text.as_mut_ptr(), text.len()) };
        if wanted > text.len() {
            text.resize(wanted, 0);
            // SAFETY: there is that much room.
            unsafe { (self.last_error)(text.as_mut_ptr(), text.len()) };
        }
        text.truncate(wanted);
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            let text = String::from_utf8_lossy(&text);
            Failure::internal(format!(
                "the library that scores on GPUs failed with {text:?}: {error}"
            ))
        })
    }
}

/// The functions of a library, which is loaded where it is not yet.
fn functions(spec: &DeviceSpec) -> Result<Arc<Functions>, Failure> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = loaded.get(&spec.library) {
        return Ok(Arc::clone(known));
    }
    let library = load(&spec.library, &spec.folders)?;
    let shown = spec.library.display();
    let functions = Functions::of(&library).map_err(|error| {
        refused(&format!(
            "{shown} is no library that scores on GPUs ({error}): use the jar candlewick-cuda of this version"
        ))
    })?;
    let (other, own) = (functions.version(), env!("CARGO_PKG_VERSION"));
    if other != own {
        return Err(refused(&format!(
            "candlewick-cuda is of version {other} and Candlewick of {own} ({shown}): use jars of one version"
        )));
    }
    let functions = Arc::new(functions);
    // It is in use as long as the process lives.
    std::mem::forget(library);
    loaded.insert(spec.library.clone(), Arc::clone(&functions));
    Ok(functions)
}

fn refused(what: &str) -> Failure {
    Failure::new(
        ErrorKind::InvalidParameter,
        format!("{what}, or set scoreDevice to \"cpu\""),
    )
}

/// Loads a library after what it needs: the loader takes one that is there for one of the same name, and reads LD_LIBRARY_PATH when
/// a process starts only.
fn load(library: &Path, folders: &[PathBuf]) -> Result<Library, Failure> {
    let mut waiting: Vec<PathBuf> = vec![library.to_owned()];
    for _ in 0..MOST_LIBRARIES {
        let Some(next) = waiting.last() else {
            break;
        };
        let own = waiting.len() == 1;
        match opened(next, if own { RTLD_LOCAL } else { RTLD_GLOBAL }) {
            Ok(found) if own => return Ok(found),
            Ok(found) => {
                std::mem::forget(found);
                waiting.pop();
            }
            Err(told) => {
                let missing =
                    missing(&told).map(|name| (name, folders.iter().map(move |folder| folder.join(name))));
                let Some((name, mut places)) = missing else {
                    return Err(refused(&format!(
                        "{} cannot be loaded: {told}",
                        library.display()
                    )));
                };
                match places.find(|place| place.is_file() && !waiting.contains(place)) {
                    Some(place) => waiting.push(place),
                    None => return Err(lacks(library, name, folders)),
                }
            }
        }
    }
    Err(refused(&format!(
        "{} needs too many libraries",
        library.display()
    )))
}

fn lacks(library: &Path, name: &str, folders: &[PathBuf]) -> Failure {
    let looked: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    refused(&format!(
        "{} needs {name}, which is neither where the loader looks nor in {}: install CUDA 13's libraries on the executors' hosts, or \
         with pip install candlewick-cuda[libraries]",
        library.display(),
        if looked.is_empty() {
            "a folder of Python's packages".to_owned()
        } else {
            looked.join(", ")
        }
    ))
}

fn opened(path: &Path, visible: c_int) -> Result<Library, String> {
    // SAFETY: what the library does as it is loaded is CUDA's business or ours: it is the artifact's, or one of NVIDIA's.
    unsafe { Library::open(Some(path), RTLD_NOW | visible) }.map_err(|error| {
        // What the loader says stands behind the words of the one who asked it.
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    })
}

/// The library that the loader did not find for another one.
fn missing(told: &str) -> Option<&str> {
    let before = told.find(NOT_FOUND)?;
    let name = told[..before].rsplit([' ', '"', ':']).next()?;
    (name.starts_with("lib") && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(library: &str, folders: &[PathBuf]) -> Failure {
        let spec = DeviceSpec {
            library: library.into(),
            folders: folders.to_vec(),
            address: "0".to_owned(),
        };
        functions(&spec).unwrap_err()
    }

    #[test]
    fn what_the_loader_misses_is_read() {
        let text = "libcublas.so.13: cannot open shared object file: No such file or directory";
        assert_eq!(missing(text), Some("libcublas.so.13"));
        assert_eq!(
            missing(&format!("dlopen failed: {text}")),
            Some("libcublas.so.13")
        );
        let own = "/a/libcandlewick_score_gpu.so: cannot open shared object file: No such file or directory";
        assert_eq!(missing(own), None, "it is not there itself");
        assert_eq!(missing("version `GLIBC_2.40' not found"), None);
    }

    #[test]
    fn a_library_that_is_not_there_or_is_another_one_is_told() {
        let failure = told("/no/such/libcandlewick_score_gpu.so", &[]);
        assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        assert!(
            failure
                .message
                .contains("/no/such/libcandlewick_score_gpu.so cannot be loaded")
                && failure.message.ends_with("or set scoreDevice to \"cpu\""),
            "{failure}"
        );
        let failure = told("libm.so.6", &[]);
        assert!(
            failure.message.contains("no library that scores on GPUs")
                && failure
                    .message
                    .contains("the jar candlewick-cuda of this version"),
            "{failure}"
        );
        let failure = lacks(
            Path::new("/a/b.so"),
            "libcublas.so.13",
            &["/x".into(), "/y".into()],
        );
        assert!(
            failure.message.contains("/a/b.so needs libcublas.so.13")
                && failure.message.contains("nor in /x, /y")
                && failure.message.contains("candlewick-cuda[libraries]"),
            "{failure}"
        );
    }
}

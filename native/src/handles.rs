//! Native objects that Java owns, by number.
//!
//! A handle is a key of a registry, not an address: a stale, foreign or mistyped one is an error. Numbers are never used
//! again. Objects are shared ([`Arc`]), so closing one while another thread uses it is safe.

use crate::boundary::Thrown;
use std::any::{Any, type_name};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

type Object = (Arc<dyn Any + Send + Sync>, &'static str);

static OBJECTS: RwLock<Option<HashMap<i64, Object>>> = RwLock::new(None);
static NEXT: AtomicI64 = AtomicI64::new(1);

/// Registers an object and returns its handle.
pub fn insert<T: Any + Send + Sync>(object: T) -> i64 {
    let handle = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut objects = OBJECTS.write().unwrap_or_else(PoisonError::into_inner);
    objects
        .get_or_insert_default()
        .insert(handle, (Arc::new(object), short_name::<T>()));
    handle
}

/// The object behind a handle.
///
/// # Errors
/// `IllegalStateException` where the handle is closed, was never given out, or is one of another type.
pub fn get<T: Any + Send + Sync>(handle: i64) -> Result<Arc<T>, Thrown> {
    let objects = OBJECTS.read().unwrap_or_else(PoisonError::into_inner);
    let Some((object, name)) = objects.as_ref().and_then(|all| all.get(&handle)) else {
        let wanted = short_name::<T>();
        return Err(Thrown::State(format!(
            "handle {handle} is not an open {wanted}: it was closed or never opened"
        )));
    };
    Arc::clone(object).downcast::<T>().map_err(|_| {
        Thrown::State(format!(
            "handle {handle} is a {name}, not a {}",
            short_name::<T>()
        ))
    })
}

/// Takes the object out of the registry; `None` where the handle is closed already.
///
/// # Errors
/// As [`get`] where the handle is one of another type; that object stays open.
pub fn remove<T: Any + Send + Sync>(handle: i64) -> Result<Option<Arc<T>>, Thrown> {
    let known = OBJECTS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .is_some_and(|all| all.contains_key(&handle));
    if !known {
        return Ok(None);
    }
    let object = get::<T>(handle)?;
    OBJECTS
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .remove(&handle);
    Ok(Some(object))
}

fn short_name<T>() -> &'static str {
    let name = type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Lamp(u8);
    #[derive(Debug)]
    struct Wick;

    fn message(thrown: Thrown) -> String {
        match thrown {
            Thrown::State(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wrong_handle_is_an_error_with_names() {
        let handle = insert(Lamp(3));
        assert_eq!(get::<Lamp>(handle).unwrap().0, 3);
        assert_eq!(
            message(get::<Wick>(handle).unwrap_err()),
            format!("handle {handle} is a Lamp, not a Wick")
        );
        assert!(remove::<Wick>(handle).is_err());
        let held = get::<Lamp>(handle).unwrap();
        assert!(remove::<Lamp>(handle).unwrap().is_some());
        assert!(remove::<Lamp>(handle).unwrap().is_none(), "closed twice");
        assert_eq!(held.0, 3, "still usable by who holds it");
        assert!(message(get::<Lamp>(handle).unwrap_err()).contains("closed or never opened"));
        assert!(get::<Lamp>(-7).is_err());
    }
}

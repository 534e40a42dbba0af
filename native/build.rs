//! Linker flags of the cdylib.

fn main() {
    // The library has threads of its own. If the JVM unloaded it together with a class loader, their code would be gone
    // under them, so it stays mapped once loaded.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}

//! The Extism shell: one export a verb, the request as its input, the answer as its output.
//!
//! An export fills in the verb, so a request needs none. The functions that move bytes are used as
//! they are imported: the macros of extism-pdk would bring 50 kB for conversions that we lack a use
//! for.

#![allow(unsafe_code)] // Extism's functions are foreign ones.

use extism_pdk::extism;

fn shell(verb: &str) -> i32 {
    // SAFETY: the host provides these functions; offset and length are of the block it just gave.
    unsafe {
        let answer = super::answer_verb(verb, &extism::load_input());
        let length = answer.len() as u64;
        let offset = extism::alloc(length);
        extism::store(offset, &answer);
        extism::output_set(offset, length);
    }
    0
}

macro_rules! exports {
    ($($verb:ident)*) => {
        $(
            /// The verb of this name.
            #[no_mangle]
            pub extern "C" fn $verb() -> i32 {
                shell(stringify!($verb))
            }
        )*
    };
}

exports!(about analyze bases check generate look observe prove reconcile reference status sweep);

/// `what-if`, whose name is none in Rust.
#[export_name = "what-if"]
pub extern "C" fn what_if() -> i32 {
    shell("what-if")
}

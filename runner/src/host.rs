//! Runs a module under limits, and believes nothing that it says before it is checked.

mod allow;
mod embedded;
mod engine;
mod memory;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use image_factory::abi::{
    Answer, CiFetched, CiNeed, GitFetched, GitNeed, RegistryFetched, RegistryNeed, Request,
};
use image_factory::diagnostic::Diagnostic;
use image_factory::tree::Tree;
use wasmtime::{Caller, Engine, Instance, Linker, Module, Store, Trap, UpdateDeadline};

pub use allow::Allowed;
use memory::Call;

/// How often an answer may ask for more before the host gives up.
const MAX_ROUNDS: usize = 8;

/// What a module may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: usize,
    /// Time for one call.
    pub time: Duration,
    /// Bytes of an answer.
    pub answer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory: 1 << 30, time: Duration::from_secs(30), answer: 256 << 20 }
    }
}

/// What a module did that it may not, or that went wrong with it. Exit code 70.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Longer than the time limit.
    #[error("the module ran for more than {} s", .0.as_secs_f32())]
    Time(Duration),
    /// More than the memory limit.
    #[error("the module asked for {} MiB of memory, {} MiB are allowed", .asked >> 20, .allowed >> 20)]
    Memory {
        /// Bytes that it asked for.
        asked: usize,
        /// Bytes that it may have.
        allowed: usize,
    },
    /// Endless recursion.
    #[error("the module recursed too deeply")]
    Stack,
    /// Any other trap: a panic, for example.
    #[error("the module trapped: {0}")]
    Trap(String),
    /// More than the answer limit.
    #[error("the module answered with {size} bytes, {allowed} are allowed")]
    AnswerSize {
        /// Bytes of the answer.
        size: usize,
        /// Bytes that it may have.
        allowed: usize,
    },
    /// Not the envelope.
    #[error("the module's answer is not one of ours: {0}")]
    NotAnAnswer(String),
    /// It never stops asking for files.
    #[error("the module still asks for files after {MAX_ROUNDS} rounds")]
    EndlessNeeds,
    /// A path where it may not write.
    #[error("the module wants to write `{0}`, which is not a file below state/")]
    Path(String),
    /// Not a kind that it may print.
    #[error("the module printed a {0}, and only Kargo's Warehouse and Stage are allowed")]
    Kind(String),
    /// Not the factory's namespace.
    #[error("the module printed an object in namespace `{found}`, and only `{allowed}` is allowed")]
    Namespace {
        /// Where it wants the object.
        found: String,
        /// The factory's project.
        allowed: String,
    },
    /// A label or annotation that is none of ours.
    #[error("the module printed an object with the {0}, which is not allowed")]
    Metadata(String),
    /// Exports or imports that fit neither ABI.
    #[error("this is not a module that can be run here: {0}")]
    Abi(String),
    /// The module itself reported an error, Extism's way.
    #[error("the module reported an error: {0}")]
    Reported(String),
    /// The module cannot be loaded.
    #[error("the module cannot be loaded: {0}")]
    Load(String),
}

impl HostError {
    /// As a diagnostic, with its code.
    pub fn diagnostic(&self) -> Diagnostic {
        let code = match self {
            HostError::Time(_) => "IF1001",
            HostError::Memory { .. } => "IF1002",
            HostError::Stack => "IF1003",
            HostError::Trap(_) => "IF1004",
            HostError::AnswerSize { .. } => "IF1005",
            HostError::NotAnAnswer(_) => "IF1006",
            HostError::EndlessNeeds => "IF1007",
            HostError::Path(_) => "IF1008",
            HostError::Kind(_) => "IF1009",
            HostError::Namespace { .. } => "IF1010",
            HostError::Metadata(_) => "IF1011",
            HostError::Abi(_) => "IF1012",
            HostError::Reported(_) => "IF1013",
            HostError::Load(_) => "IF1014",
        };
        let diagnostic = Diagnostic::error(code, self.to_string());
        match self {
            HostError::Time(_) => diagnostic.hint("a larger `--timeout SECONDS` allows more"),
            HostError::Memory { .. } => diagnostic.hint("a larger `--max-memory MIB` allows more"),
            HostError::Load(_) | HostError::Abi(_) => diagnostic,
            _ => diagnostic.hint("`--record FILE` saves the request; please report it with that file"),
        }
    }
}

/// Brings what a module asks for.
pub trait Fetch {
    /// One result for each need, in order.
    fn git(&mut self, needs: &[GitNeed]) -> Vec<GitFetched>;

    /// One result for each need, in order. How registries are reached is said in the tree, and read
    /// there by the host: a module can't ask for less protection.
    fn registry(&mut self, tree: &Tree, needs: &[RegistryNeed]) -> Vec<RegistryFetched>;

    /// One result for each need, in order. Where CI is stands in the tree, too.
    fn ci(&mut self, tree: &Tree, needs: &[CiNeed]) -> Vec<CiFetched>;
}

/// A loaded module and its limits.
#[derive(Clone)]
pub struct Host {
    engine: Engine,
    module: Module,
    limits: Limits,
    digest: String,
}

/// How a module is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// `if_alloc`, `if_call`, `if_free`.
    Plain,
    /// An export a verb, and the functions of `extism:host/env`.
    Extism,
}

impl Host {
    /// The module that this program was built with.
    ///
    /// # Errors
    /// [`HostError::Load`] on a processor that lacks what the one had that it was built on.
    pub fn embedded(limits: Limits) -> Result<Self, HostError> {
        let (engine, module) = embedded::load().map_err(load)?;
        Ok(Host { engine, module, limits, digest: EMBEDDED_DIGEST.to_owned() })
    }

    /// Another module, from its `.wasm` or `.wat`.
    ///
    /// # Errors
    /// [`HostError::Load`] where it is no module.
    #[cfg(feature = "jit")]
    pub fn compiled(bytes: &[u8], limits: Limits) -> Result<Self, HostError> {
        let engine = Engine::new(engine::config().epoch_interruption(true)).map_err(load)?;
        let binary = wat::parse_bytes(bytes).map_err(|error| HostError::Load(error.to_string()))?;
        let module = Module::new(&engine, binary).map_err(load)?;
        Ok(Host { engine, module, limits, digest: sha256(bytes) })
    }

    /// The digest of the module's `.wasm`: `sha256:` and hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How the module wants to be spoken to; the plain ABI where it knows both.
    ///
    /// # Errors
    /// [`HostError::Abi`] where it knows neither.
    pub fn abi(&self, verb: &str) -> Result<Abi, HostError> {
        let has = |name: &str| self.module.get_export(name).is_some();
        if has("memory") && has("if_alloc") && has("if_call") {
            Ok(Abi::Plain)
        } else if has(verb) {
            Ok(Abi::Extism)
        } else {
            Err(HostError::Abi(format!("it exports neither `if_call` nor `{verb}`")))
        }
    }

    /// Asks until the module has all that it needs, and checks the last answer.
    ///
    /// `request` then holds all that was fetched: it is the one to record.
    ///
    /// # Errors
    /// Anything that the module may not do.
    pub fn run(
        &self,
        request: &mut Request,
        allowed: &Allowed<'_>,
        fetch: &mut dyn Fetch,
    ) -> Result<Answer, HostError> {
        for _ in 0..MAX_ROUNDS {
            let answer = self.ask(request)?;
            match answer.needs {
                Some(needs) => {
                    request.fetched.git.extend(fetch.git(&needs.git));
                    request.fetched.registry.extend(fetch.registry(&request.tree, &needs.registry));
                    request.fetched.ci.extend(fetch.ci(&request.tree, &needs.ci));
                }
                None => {
                    allow::check(&answer, allowed)?;
                    return Ok(answer);
                }
            }
        }
        Err(HostError::EndlessNeeds)
    }

    fn ask(&self, request: &Request) -> Result<Answer, HostError> {
        let bytes =
            serde_json::to_vec(request).expect("a request is strings, lists and maps with string keys");
        let answer = self.call(self.abi(&request.verb)?, &request.verb, bytes)?;
        serde_json::from_slice(&answer).map_err(|error| HostError::NotAnAnswer(error.to_string()))
    }

    /// One call in a fresh instance: request bytes in, answer bytes out.
    ///
    /// It has a thread of its own. When its time is over, a module that was compiled here is stopped;
    /// the embedded one has no code to look at a clock, which would be a fifth of its time, so its
    /// thread is left behind for the end of the process.
    ///
    /// # Errors
    /// A trap, a limit, or an answer that is nowhere in the module's memory.
    pub fn call(&self, abi: Abi, verb: &str, request: Vec<u8>) -> Result<Vec<u8>, HostError> {
        let (done, answer) = mpsc::channel();
        let (host, verb) = (self.clone(), verb.to_owned());
        let end = Instant::now() + self.limits.time;
        let call = move || {
            // Nobody listens any more where the time is over.
            let _ = done.send(host.call_here(abi, &verb, request, end));
        };
        // The module's stack, and as much for the host's functions.
        let thread = thread::Builder::new().stack_size(2 * engine::MAX_STACK).spawn(call);
        let thread = thread.map_err(|error| HostError::Load(format!("it got no thread: {error}")))?;
        match answer.recv_timeout(self.limits.time) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.engine.increment_epoch();
                Err(HostError::Time(self.limits.time))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("a thread that does not panic sends its answer"),
            },
        }
    }

    fn call_here(&self, abi: Abi, verb: &str, request: Vec<u8>, end: Instant) -> Result<Vec<u8>, HostError> {
        let input = if abi == Abi::Extism { request.clone() } else { Vec::new() };
        let mut store = Store::new(&self.engine, Call::new(self.limits.memory, input));
        store.limiter(|call| call);
        store.set_epoch_deadline(1);
        // A host may have several calls at once, so the time that is over may be another one's.
        store.epoch_deadline_callback(move |_| {
            if Instant::now() < end {
                return Ok(UpdateDeadline::Continue(1));
            }
            Err(Trap::Interrupt.into())
        });
        let result = match abi {
            Abi::Plain => self.call_plain(&mut store, &request),
            Abi::Extism => self.call_extism(&mut store, verb),
        };
        result.map_err(|error| self.explain(error, store.data()))
    }

    fn call_plain(&self, store: &mut Store<Call>, request: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut linker = Linker::new(&self.engine);
        linker.define_unknown_imports_as_traps(&self.module)?;
        let instance = linker.instantiate(&mut *store, &self.module).map_err(unfit)?;
        let memory = instance.get_memory(&mut *store, "memory").ok_or("it exports no memory")?;
        memory::prepare(store, &memory, request.len());
        let alloc = instance.get_typed_func::<u32, u32>(&mut *store, "if_alloc").map_err(unfit)?;
        let call = instance.get_typed_func::<(u32, u32), u64>(&mut *store, "if_call").map_err(unfit)?;

        let length = u32::try_from(request.len()).map_err(|_| "the request has more than 4 GiB")?;
        let pointer = alloc.call(&mut *store, length)?;
        memory
            .write(&mut *store, pointer as usize, request)
            .map_err(|_| "its `if_alloc` gave no room in its memory")?;
        let packed = call.call(&mut *store, (pointer, length))?;
        let (start, size) = ((packed >> 32) as usize, (packed & u64::from(u32::MAX)) as usize);
        self.check_size(size)?;
        let end = start.checked_add(size).ok_or("its answer is outside its memory")?;
        let answer = memory.data(&*store).get(start..end).ok_or("its answer is outside its memory")?;
        Ok(answer.to_vec())
        // The instance ends here, so its buffers need not be given back.
    }

    fn call_extism(&self, store: &mut Store<Call>, verb: &str) -> Result<Vec<u8>, Failure> {
        let instance = self.extism_linker()?.instantiate(&mut *store, &self.module).map_err(unfit)?;
        initialize(&instance, store)?;
        if let Some(memory) = instance.get_memory(&mut *store, "memory") {
            let length = store.data().input.len();
            memory::prepare(store, &memory, length);
        }
        let call = instance.get_typed_func::<(), i32>(&mut *store, verb).map_err(unfit)?;
        let code = call.call(&mut *store, ())?;
        let data = store.data_mut();
        if let Some(offset) = data.error.filter(|offset| *offset != 0) {
            let length = data.length(offset).min(4096);
            let text = data.bytes(offset, length).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            return Err(Failure::Host(HostError::Reported(text.unwrap_or_default())));
        }
        if code != 0 {
            return Err(Failure::Host(HostError::Reported(format!("exit code {code}"))));
        }
        let Some((offset, length)) = data.output else {
            return Err(Failure::Host(HostError::NotAnAnswer("it gave no output".to_owned())));
        };
        self.check_size(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(data.bytes(offset, length).ok_or("its output is outside Extism's memory")?.to_vec())
    }

    fn check_size(&self, size: usize) -> Result<(), Failure> {
        if size > self.limits.answer {
            return Err(Failure::Host(HostError::AnswerSize { size, allowed: self.limits.answer }));
        }
        Ok(())
    }

    /// The functions of Extism that move bytes; any other traps with its name when it is called.
    fn extism_linker(&self) -> Result<Linker<Call>, Failure> {
        const ENV: &str = "extism:host/env";
        let mut linker: Linker<Call> = Linker::new(&self.engine);
        let input = |caller: &Caller<'_, Call>, offset: u64, length: usize| -> u64 {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = start.checked_add(length).and_then(|end| caller.data().input.get(start..end));
            bytes.map_or(0, |bytes| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
        };
        linker.func_wrap(ENV, "input_length", |caller: Caller<'_, Call>| caller.data().input.len() as u64)?;
        linker.func_wrap(ENV, "input_load_u8", move |caller: Caller<'_, Call>, offset: u64| {
            input(&caller, offset, 1) as u32
        })?;
        linker.func_wrap(ENV, "input_load_u64", move |caller: Caller<'_, Call>, offset: u64| {
            input(&caller, offset, 8)
        })?;
        linker.func_wrap(ENV, "alloc", |mut caller: Caller<'_, Call>, length: u64| {
            caller.data_mut().alloc(length)
        })?;
        linker.func_wrap(ENV, "free", |mut caller: Caller<'_, Call>, offset: u64| {
            caller.data_mut().free(offset)
        })?;
        for name in ["length", "length_unsafe"] {
            linker
                .func_wrap(ENV, name, |caller: Caller<'_, Call>, offset: u64| caller.data().length(offset))?;
        }
        linker.func_wrap(ENV, "load_u8", |mut caller: Caller<'_, Call>, offset: u64| {
            caller.data_mut().bytes(offset, 1).map(|bytes| u32::from(bytes[0])).ok_or_else(outside)
        })?;
        linker.func_wrap(ENV, "load_u64", |mut caller: Caller<'_, Call>, offset: u64| {
            let bytes = caller.data_mut().bytes(offset, 8).ok_or_else(outside)?;
            Ok(bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
        })?;
        linker.func_wrap(ENV, "store_u8", |mut caller: Caller<'_, Call>, offset: u64, byte: u32| {
            caller.data_mut().bytes(offset, 1).ok_or_else(outside)?[0] = byte as u8;
            Ok(())
        })?;
        linker.func_wrap(ENV, "store_u64", |mut caller: Caller<'_, Call>, offset: u64, word: u64| {
            caller.data_mut().bytes(offset, 8).ok_or_else(outside)?.copy_from_slice(&word.to_le_bytes());
            Ok(())
        })?;
        linker.func_wrap(ENV, "output_set", |mut caller: Caller<'_, Call>, offset: u64, length: u64| {
            caller.data_mut().output = Some((offset, length));
        })?;
        linker.func_wrap(ENV, "error_set", |mut caller: Caller<'_, Call>, offset: u64| {
            caller.data_mut().error = Some(offset);
        })?;
        linker.define_unknown_imports_as_traps(&self.module)?;
        Ok(linker)
    }

    fn explain(&self, failure: Failure, call: &Call) -> HostError {
        let (error, is_unfit) = match failure {
            Failure::Host(error) => return error,
            Failure::Contract(text) => return HostError::Abi(text.to_owned()),
            Failure::Wasm(error) => (error, false),
            Failure::Unfit(error) => (error, true),
        };
        // A module that gets no memory traps in its own way, so the refusal says more than the trap.
        if let Some(asked) = call.refused {
            return HostError::Memory { asked, allowed: self.limits.memory };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => HostError::Time(self.limits.time),
            Some(Trap::StackOverflow) => HostError::Stack,
            Some(trap) => HostError::Trap(trap.to_string()),
            None if is_unfit => HostError::Abi(format!("{error:#}")),
            None => HostError::Trap(format!("{error:#}")),
        }
    }
}

/// The digest of the embedded module's `.wasm`.
pub const EMBEDDED_DIGEST: &str = env!("IMAGE_FACTORY_MODULE_DIGEST");

/// Where the build left the embedded module's `.wasm`, for tests that look at it from outside.
pub const BUILT_MODULE: &str = env!("IMAGE_FACTORY_MODULE");

/// `sha256:` and the hex of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn load(error: wasmtime::Error) -> HostError {
    HostError::Load(format!("{error:#}"))
}

fn outside() -> wasmtime::Error {
    wasmtime::Error::msg("an offset outside Extism's memory")
}

/// Reactor modules, as some languages make them, want to be initialized first.
fn initialize(instance: &Instance, store: &mut Store<Call>) -> Result<(), Failure> {
    for name in ["_initialize", "__wasm_call_ctors"] {
        if let Ok(function) = instance.get_typed_func::<(), ()>(&mut *store, name) {
            function.call(&mut *store, ())?;
            break;
        }
    }
    Ok(())
}

enum Failure {
    Host(HostError),
    Contract(&'static str),
    Wasm(wasmtime::Error),
    /// It has not the exports or the imports, unless its start trapped.
    Unfit(wasmtime::Error),
}

fn unfit(error: wasmtime::Error) -> Failure {
    Failure::Unfit(error)
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Failure::Wasm(error)
    }
}

impl From<&'static str> for Failure {
    fn from(text: &'static str) -> Self {
        Failure::Contract(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_module_is_given_up_when_its_time_is_over() {
        let host = Host::embedded(Limits { time: Duration::ZERO, ..Limits::default() });
        let host = host.expect("the module runs where it was built");
        // A busy machine may be so slow to ask that even this was read.
        let is_given_up =
            |_| matches!(host.call(Abi::Plain, "about", vec![b' '; 32 << 20]), Err(HostError::Time(_)));
        assert!((0..10).any(is_given_up));
    }
}

//! Programs that are not ours, asked what they make of generated input.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The folder of our small programs around other people's readers.
pub fn readers_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/readers"))
}

/// Runs a program with one line of input a question, and gives its lines, one an answer.
///
/// # Panics
/// When the program cannot be started, fails, or does not answer each question.
pub fn ask(program: &mut Command, questions: &[String]) -> Vec<String> {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let mut input = BufWriter::new(child.stdin.take().expect("stdin is piped"));
    let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let answers: Vec<String> = std::thread::scope(|scope| {
        scope.spawn(move || {
            for question in questions {
                if writeln!(input, "{question}").is_err() {
                    // It ended early; how, its exit status and the missing answers tell.
                    return;
                }
            }
        });
        output.lines().map(|line| line.expect("the program answers in UTF-8")).collect()
    });
    let status = child.wait().expect("it was started");
    assert!(status.success(), "{program:?}: {status}");
    assert_eq!(answers.len(), questions.len(), "{program:?} does not answer each question");
    answers
}

/// Tells people what a test left out, past the capture of passing tests' output.
pub fn skipped(what: &str) {
    // Nothing depends on whether anyone reads it.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

/// A small random generator (xorshift64*) that is the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed; 0 would give zeros for ever.
    ///
    /// # Panics
    /// With 0.
    pub fn new(seed: u64) -> Random {
        assert_ne!(seed, 0, "the seed must not be 0");
        Random(seed)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

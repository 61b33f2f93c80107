//! How far a run is: a bar on a terminal, a line for each step where nobody watches.
//!
//! Both go to stderr; stdout is for what a verb gives. The bar is one line without colours that is
//! wiped away at the end, so that a terminal holds the same text afterwards as a log.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::outcome::{printable, say};

/// A run of so many steps.
pub struct Progress {
    steps: usize,
    done: AtomicUsize,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A run that begins now; `doing` is what it does, such as `fetching`.
    pub fn new(doing: &'static str, steps: usize) -> Self {
        let terminal = std::env::var_os("TERM");
        // A dumb terminal can't go back to a line's begin.
        let is_watched = io::stderr().is_terminal() && terminal.is_some_and(|kind| kind != "dumb");
        Progress { steps, done: AtomicUsize::new(0), bar: is_watched.then(|| bar(doing, steps)) }
    }

    /// One more step is done, and what it was; any thread may say so.
    pub fn step(&self, what: &str) {
        let count = 1 + self.done.fetch_add(1, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => {
                bar.set_position(count as u64);
                bar.set_message(printable(what.to_owned()));
            }
            None => say(line(count, self.steps, what)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(doing: &'static str, steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos}/{len} {elapsed} {wide_msg}")
        .expect("the template is a constant")
        .progress_chars("=> ");
    bar.set_style(style);
    bar.set_prefix(doing);
    // A slow server is seen to be waited for.
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// `fetched https://github.com/acme/web.git (1 of 2)`; a single step is not counted.
fn line(count: usize, steps: usize, what: &str) -> String {
    match steps {
        0 | 1 => format!("{what}\n"),
        steps => format!("{what} ({count} of {steps})\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_log_gets_whole_lines() {
        assert_eq!(line(1, 1, "fetched acme/web"), "fetched acme/web\n");
        assert_eq!(line(2, 12, "fetched acme/web"), "fetched acme/web (2 of 12)\n");
    }
}

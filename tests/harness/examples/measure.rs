//! Prints the native core's line for the table of hosts, as JSON: `measure KIT`, where KIT is a folder
//! that the example `kit` wrote. `plugin/hosts/measure.py` puts the table together.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use image_factory::abi;
use serde_json::{json, Value};

fn main() {
    let start = Instant::now();
    abi::answer(br#"{"abi":1,"verb":"about"}"#);
    let mut out = json!({"version": format!("the crate, {}", env!("CARGO_PKG_VERSION"))});
    out["start"] = seconds(start.elapsed());
    let kit = std::env::args().nth(1).expect("usage: measure KIT");
    for (images, times) in [("1", 200), ("2000", 5)] {
        let request =
            fs::read(Path::new(&kit).join(format!("images-{images}.json"))).expect("the kit has it");
        let mut best = Duration::MAX;
        for _ in 0..times {
            let start = Instant::now();
            let answer = abi::answer(&request);
            best = best.min(start.elapsed());
            let answer = std::str::from_utf8(&answer).expect("an answer is JSON");
            let digest = image_factory::sha256::digest(answer);
            out[format!("digest{images}")] = digest.trim_start_matches("sha256:").into();
        }
        out[images] = seconds(best);
    }
    // The kernel's word for the most that the process held, in kB (proc_pid_status(5)).
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    out["memory"] =
        json!(peak.and_then(|kb| kb.trim().parse::<f64>().ok()).expect("a number of kB") / 1024.0);
    println!("{out}");
}

fn seconds(duration: Duration) -> Value {
    json!(duration.as_secs_f64())
}

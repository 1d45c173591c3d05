//! Runs every target for some seconds of processor time on a stable compiler: the seeds as they are, then seeded
//! mutations of them.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use fuzz::{TARGETS, Target};

/// How often an input that fails is run to make it shorter.
const MAX_SHRINKS: usize = 20_000;

struct Options {
    seconds: u64,
    seed: u64,
    target: Option<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\nusage: smoke [--seconds N] [--seed N] [--target NAME]");
            return ExitCode::from(2);
        }
    };
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| options.target.as_deref().is_none_or(|name| name == target.name))
        .collect();
    if chosen.is_empty() {
        eprintln!("no such target");
        return ExitCode::from(2);
    }
    let share = Duration::from_millis(options.seconds * 1000 / chosen.len() as u64);
    let mut failed = false;
    for target in chosen {
        match smoke(target, options.seed, share) {
            Ok(inputs) => println!("{}: {inputs} inputs, seed {}", target.name, options.seed),
            Err(input) => {
                let input = shrink(target, input);
                let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                eprintln!("{}: failed with seed {} on {hex}", target.name, options.seed);
                failed = true;
            }
        }
    }
    ExitCode::from(u8::from(failed))
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        seconds: 10,
        seed: 1,
        target: None,
    };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{word} needs a number"));
        match word.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = number()?,
            "--target" => options.target = Some(value),
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(options)
}

/// How many inputs went through, or the one that did not.
fn smoke(target: &Target, seed: u64, share: Duration) -> Result<usize, Vec<u8>> {
    let seeds = seeds(target.name);
    for input in &seeds {
        run(target, input)?;
    }
    let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
    let end = processor_time() + share;
    let mut inputs = seeds.len();
    while processor_time() < end {
        for _ in 0..64 {
            let input = if target.script && random.below(2) == 0 {
                anew(&mut random)
            } else {
                mutate(&seeds, &mut random)
            };
            run(target, &input)?;
            inputs += 1;
        }
    }
    Ok(inputs)
}

fn run(target: &Target, input: &[u8]) -> Result<(), Vec<u8>> {
    std::panic::catch_unwind(|| (target.run)(input)).map_err(|_| input.to_vec())
}

/// Takes parts out of an input as long as it fails without them.
fn shrink(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut length = input.len().div_ceil(2);
    let mut tries = 0;
    while length > 0 && tries < MAX_SHRINKS {
        let before = input.len();
        let mut at = 0;
        while at < input.len() && tries < MAX_SHRINKS {
            let mut shorter = input.clone();
            shorter.drain(at..(at + length).min(input.len()));
            tries += 1;
            if run(target, &shorter).is_err() {
                input = shorter;
            } else {
                at += length;
            }
        }
        if input.len() == before {
            length /= 2;
        }
    }
    std::panic::set_hook(hook);
    input
}

/// How long this thread has run, so that a busy machine does not shorten the search: as Linux counts it, elsewhere the
/// time since the first call.
fn processor_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = counted.as_deref().and_then(|text| text.split(' ').next());
    if let Some(nanoseconds) = first.and_then(|text| text.parse().ok()) {
        return Duration::from_nanos(nanoseconds);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a budget of real time, and no test clock here"
    )]
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// The files of `seeds/<target>/`, in order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("no seeds in {}: {error}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap_or_default())
        .collect()
}

/// Random bytes, of which small numbers are more frequent than others: they are kinds and indices.
fn anew(random: &mut Random) -> Vec<u8> {
    let length = 16 + random.below(2_000);
    (0..length)
        .map(|_| {
            let number = random.next();
            if number & 0x300 == 0 {
                (number & 0x1f) as u8
            } else {
                number as u8
            }
        })
        .collect()
}

/// A seed with a few bytes changed, parts doubled, cut out, or taken from another seed.
fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const TOKENS: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b",",
        b":",
        b"null",
        b"true",
        b"1e999",
        b"-0",
        b"18446744073709551616",
        b"\\ud800",
        b"\\u0000",
        b"\n",
        b"0\n",
        b"\xff",
        b"\x80",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x08\x96\x01",
        b"\x0a\x00",
    ];
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        match random.below(7) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.next() as u8,
            2 => input.truncate(at),
            3 => {
                let end = (at + random.below(16)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let end = (at + random.below(64)).min(input.len());
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            5 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(64)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
            _ => {
                let token = TOKENS[random.below(TOKENS.len())];
                input.splice(at..at, token.iter().copied());
            }
        }
    }
    input
}

/// xorshift64: the same seed gives the same run everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

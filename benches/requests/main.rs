//! `cargo bench`: S1 to S5. With `-- --smoke` a few rounds only, to see that every case runs; with `-- --repeat 3` three times over.

use otpgate_bench::repeat;
use otpgate_bench::requests::{Size, all};

fn main() -> anyhow::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(times) = repeat::wanted(&mut arguments)? {
        return repeat::repeat(times, &arguments);
    }
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    let system = actix_web::rt::System::new();
    system.block_on(all(if smoke { Size::SMOKE } else { Size::FULL }));
    Ok(())
}

//! `cargo bench`: S1 to S5. With `-- --smoke` a few rounds only, to see that every case runs.

use otpgate_bench::requests::{Size, all};

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let system = actix_web::rt::System::new();
    system.block_on(all(if smoke { Size::SMOKE } else { Size::FULL }));
}

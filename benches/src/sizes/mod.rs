//! S8: cost against size, from a thousand sessions to a million, on memory, SQLite and PostgreSQL. One table, one picture.

mod kept;
mod measure;
mod mould;
pub mod plot;
mod row;
mod sweep;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use kept::Kept;
use mould::Mould;
use row::{Row, STORES};

/// What is measured, and how much.
#[derive(Clone, Debug)]
pub struct Size {
    stores: Vec<String>,
    sessions: Vec<usize>,
    plot: Option<PathBuf>,
    rounds: usize,
    /// Seconds of a span of requests beside a sweep, and how often there is one.
    span: f32,
    spans: usize,
    expired: usize,
}

impl Size {
    /// To see that it runs.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn smoke() -> Self {
        let usual = Self::of(&["100", "300"]).expect("two sizes");
        Self { rounds: 3, span: 0.2, spans: 1, expired: 3_000, ..usual }
    }

    /// `[--stores NAME,..] [--plot FILE] [SESSIONS..]`.
    ///
    /// # Errors
    /// For what is none of these.
    pub fn of(arguments: &[&str]) -> Result<Self> {
        let stores = STORES.map(str::to_owned).to_vec();
        let mut size =
            Self { stores, sessions: Vec::new(), plot: None, rounds: 1_500, span: 2.0, spans: 4, expired: 340_000 };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--stores" => {
                    let named = arguments.next().context("--stores memory,sqlite,postgres")?;
                    size.stores = named.split(',').map(str::to_owned).collect();
                }
                "--plot" => size.plot = Some(arguments.next().context("--plot FILE")?.into()),
                number => size.sessions.push(number.parse().with_context(|| format!("`{number}` is no number"))?),
            }
        }
        if size.sessions.is_empty() {
            size.sessions = vec![1_000, 10_000, 100_000, 1_000_000];
        }
        ensure!(size.sessions.is_sorted(), "sizes grow from one to the next");
        Ok(size)
    }
}

/// Prints the table, and draws it.
///
/// # Errors
/// When a store does not start, or the picture cannot be written.
pub async fn table(size: Size) -> Result<()> {
    let mut mould = Mould::new().await;
    let mut stores = Vec::new();
    for name in &size.stores {
        stores.push(Kept::open(name, &mould).await?);
    }
    let (mut rows, mut sweeps) = (Vec::new(), Vec::new());
    for &sessions in &size.sessions {
        let had = mould.records();
        mould.grow(sessions).await;
        let tokens: Arc<[String]> = mould.tokens();
        for store in &stores {
            store.take_from(&mould, had).await?;
            let row = measure::row(store, &tokens, mould.first(), size.rounds).await;
            // A run takes minutes: what there is can be seen.
            eprintln!("{}", row.markdown());
            rows.push(row);
        }
        if size.sessions.last() == Some(&sessions) {
            for store in &stores {
                eprintln!("sweeps on {}", store.name());
                store.put(mould.expired(size.expired).await).await?;
                sweeps.push(sweep::row(store, &tokens, size.spans, size.span)?);
            }
        }
    }
    rows.sort_by_key(|row| STORES.iter().position(|store| *store == row.store));
    println!("{}", Row::HEAD);
    rows.iter().for_each(|row| println!("{}", row.markdown()));
    println!("\n| | what | comes to | goal | |\n|---|---|---:|---:|---|");
    for store in &size.stores {
        row::goals(&rows, store).iter().for_each(|line| println!("{line}"));
    }
    println!("\n{}", sweep::HEAD);
    sweeps.iter().for_each(|line| println!("{line}"));
    if let Some(path) = &size.plot {
        plot::draw(&rows, path)?;
    }
    Ok(())
}

//! The store that the command line names.

use std::sync::Arc;

use anyhow::bail;
use otpgate::{MemoryStore, MySqlStore, PostgresStore, RedisStore, SqliteStore, Store};

use crate::config::StoreTable;
use crate::outlets::{Place, StoreUrl};

/// Opens it, and brings its tables to this release's version.
pub(crate) async fn store(url: &StoreUrl, table: &StoreTable) -> anyhow::Result<Arc<dyn Store>> {
    check(&url.place, table)?;
    let StoreTable { connections, migrations, require_always, insecure_without_durability } = *table;
    // The builders are alike, and of different types.
    macro_rules! sql {
        ($store:ident, $url:ident) => {{
            let mut builder = $store::builder();
            if let Some(name) = &url.namespace {
                builder = builder.namespace(name);
            }
            if let Some(most) = connections {
                builder = builder.max_connections(most);
            }
            if migrations == Some(false) {
                builder = builder.without_migrations();
            }
            if insecure_without_durability {
                builder = builder.insecure_without_durability();
            }
            Arc::new(builder.open($url).await?)
        }};
    }
    Ok(match &url.place {
        // Nobody else sees the memory of this process: a namespace has nothing to keep apart.
        Place::Memory => Arc::new(MemoryStore::new()),
        Place::Sqlite(path) => {
            let builder = SqliteStore::builder();
            let builder = match &url.namespace {
                Some(name) => builder.namespace(name),
                None => builder,
            };
            Arc::new(builder.open(path).await?)
        }
        Place::Postgres(server) => sql!(PostgresStore, server),
        Place::MySql(server) => sql!(MySqlStore, server),
        Place::Redis(server) => {
            let mut builder = RedisStore::builder();
            if let Some(name) = &url.namespace {
                builder = builder.namespace(name);
            }
            if require_always == Some(true) {
                builder = builder.require_always();
            }
            if insecure_without_durability {
                builder = builder.insecure_without_durability();
            }
            Arc::new(builder.open(server).await?)
        }
    })
}

/// A setting that the store does not have would be one that nobody keeps.
fn check(place: &Place, table: &StoreTable) -> anyhow::Result<()> {
    let (sql, redis) = (matches!(place, Place::Postgres(_) | Place::MySql(_)), matches!(place, Place::Redis(_)));
    for (name, given, known) in [
        ("connections", table.connections.is_some(), sql),
        ("migrations", table.migrations.is_some(), sql),
        ("require_always", table.require_always.is_some(), redis),
        ("insecure_without_durability", table.insecure_without_durability, sql || redis),
    ] {
        if given && !known {
            bail!("`store.{name}` means nothing to this kind of store");
        }
    }
    if table.connections.is_some_and(|most| !(1..=1_000).contains(&most)) {
        bail!("`store.connections` is 1 to 1000");
    }
    Ok(())
}

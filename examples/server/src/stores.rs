//! The store that the command line names.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use otpgate::{Bus, MemoryStore, MySqlStore, PostgresStore, RedisBus, RedisStore, SqliteStore, Store};

use crate::config::StoreTable;
use crate::outlets::{BusUrl, Place, StoreUrl};

/// A store, and the bus by which its nodes tell each other what has ended.
pub(crate) type Shared = (Arc<dyn Store>, Option<Arc<dyn Bus>>);

/// Opens both, and brings the tables to this release's version.
pub(crate) async fn open(url: &StoreUrl, bus: Option<&BusUrl>, table: &StoreTable) -> anyhow::Result<Shared> {
    let own = matches!(url.place, Place::Postgres(_) | Place::Redis(_));
    let bus = match bus {
        None if own => &BusUrl::Store,
        None => &BusUrl::None,
        Some(BusUrl::Store) if !own => bail!("--bus: this kind of store has none"),
        Some(bus) => bus,
    };
    if let (Place::Postgres(_), BusUrl::Store, Some(1)) = (&url.place, bus, table.connections) {
        bail!("`store.connections` is at least 2: the bus keeps one for itself");
    }
    let name = || format!("the store {}", url.place.name());
    let (store, of_store) = store(url, table).await.with_context(name)?;
    Ok(match bus {
        BusUrl::Store => (store, of_store),
        BusUrl::Redis(server) => (store, Some(Arc::new(redis_bus(server, url).context("--bus")?))),
        BusUrl::None => (store, None),
    })
}

fn redis_bus(server: &str, url: &StoreUrl) -> anyhow::Result<RedisBus> {
    Ok(match &url.namespace {
        Some(name) => RedisBus::namespaced(server, name)?,
        None => RedisBus::open(server)?,
    })
}

async fn store(url: &StoreUrl, table: &StoreTable) -> anyhow::Result<Shared> {
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
            builder.open($url).await?
        }};
    }
    Ok(match &url.place {
        // Nobody else sees the memory of this process: a namespace has nothing to keep apart.
        Place::Memory => (Arc::new(MemoryStore::new()), None),
        Place::Sqlite(path) => {
            let builder = SqliteStore::builder();
            let builder = match &url.namespace {
                Some(name) => builder.namespace(name),
                None => builder,
            };
            (Arc::new(builder.open(path).await?), None)
        }
        Place::Postgres(server) => {
            let store = sql!(PostgresStore, server);
            let bus = store.bus();
            (Arc::new(store), Some(Arc::new(bus)))
        }
        Place::MySql(server) => (Arc::new(sql!(MySqlStore, server)), None),
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
            (Arc::new(builder.open(server).await?), Some(Arc::new(redis_bus(server, url)?)))
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

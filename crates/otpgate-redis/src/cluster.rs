//! What only a Cluster needs.

use std::collections::HashMap;

use otpgate_core::ConfigError;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, FromRedisValue, RedisResult};

use crate::settings::{Settings, refused};

/// What each primary says of itself.
pub(crate) async fn settings(mut connection: ClusterConnection) -> Result<Vec<Settings>, ConfigError> {
    let unread = |error| refused("the nodes' settings could not be read").because(error);
    let info: HashMap<String, String> = of_each(&mut connection, redis::cmd("INFO")).await.map_err(unread)?;
    let mut ask = redis::cmd("CONFIG");
    ask.arg("GET").arg("*append*");
    let mut config: HashMap<String, HashMap<String, String>> = of_each(&mut connection, ask).await.unwrap_or_default();
    Ok(info.into_iter().map(|(node, info)| Settings::new(&info, config.remove(&node))).collect())
}

async fn of_each<T: FromRedisValue>(connection: &mut ClusterConnection, command: Cmd) -> RedisResult<T> {
    let primaries = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    Ok(T::from_redis_value(connection.route_command(command, primaries).await?)?)
}

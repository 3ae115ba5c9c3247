"""Make a back-test by several processes: worker processes of this machine, or a Dask cluster of several."""

from src.judging.backtest.cluster.finishing import finish_on_cluster, finish_on_workers
from src.judging.backtest.cluster.messages import ClusterError

__all__ = ["ClusterError", "finish_on_cluster", "finish_on_workers"]

"""Structure: embed the data, cluster the embedding, judge the partition."""

from moesaic.structure._embed import (
    EmbeddingNetwork,
    embed_classes,
    embed_pixels,
    embed_trained,
    train_embedder,
)
from moesaic.structure._join import join_clusters, join_confused, ways_to_divide
from moesaic.structure._partition import CLUSTERERS, Partition, cluster, silhouette, whiten
from moesaic.structure._quality import (
    Quality,
    Routing,
    assess,
    merge_indistinct,
    probe_routing,
    purity,
    stability,
)

__all__ = [
    "CLUSTERERS",
    "EmbeddingNetwork",
    "Partition",
    "Quality",
    "Routing",
    "assess",
    "cluster",
    "embed_classes",
    "embed_pixels",
    "embed_trained",
    "join_clusters",
    "join_confused",
    "merge_indistinct",
    "probe_routing",
    "purity",
    "silhouette",
    "stability",
    "train_embedder",
    "ways_to_divide",
    "whiten",
]

"""Which networks of pytorchcv are offered at the size of small images; it imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One network that stands for a module of pytorchcv.

    Attributes:
        constructor: the function in the module that builds it: among those of the module the one
            whose size is nearest to one million parameters.
        min_size: least of 8, 16 and 32 pixels at which it was seen to build and run.
        paper: where its design was published.
        stem: `soft` when the first strided convolution is made dense and the pools behind it are
            dropped, `all` when every convolution of the stem is made dense, `keep` for a stem that
            suits small images.
        ten: whether it can only be built for ten classes, and gets a classifier of its own.
        options: what else the constructor is given.
    """

    constructor: str
    min_size: int
    paper: str
    stem: str = "soft"
    ten: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


# By module. Left out are those that cannot take 32 x 32 pixels (alexnet, inceptionv4, msdnet,
# polynet, vgg, zfnet), that take nothing but colour (irevnet), that draw from a generator no seed
# reaches (fractalnet_cifar), whose convolutions have two outputs, which nobody can count
# (octresnet), that need another numpy with 0.0.67 (regnet), and those for other tasks than
# classification.
ROWS: dict[str, Row] = {
    "airnet": Row("airnet50_1x64d_r16", 8, "IEEE 8510896"),
    "airnext": Row("airnext50_32x4d_r2", 8, "IEEE 8510896"),
    "bagnet": Row("bagnet9", 16, "arXiv:1904.00760", "keep"),
    "bamresnet": Row("bam_resnet18", 8, "arXiv:1807.06514"),
    "bninception": Row("bninception", 8, "arXiv:1502.03167"),
    "cbamresnet": Row("cbam_resnet18", 8, "arXiv:1807.06521"),
    "channelnet": Row("channelnet", 8, "arXiv:1809.01330"),
    "condensenet": Row("condensenet74_c8_g8", 16, "arXiv:1711.09224"),
    "darknet": Row("darknet_tiny", 8, "Redmon, Darknet, 2013"),
    "darknet53": Row("darknet53", 8, "arXiv:1804.02767", "keep"),
    "darts": Row("darts", 16, "arXiv:1806.09055"),
    "densenet": Row("densenet121", 8, "arXiv:1608.06993"),
    "densenet_cifar": Row("densenet100_k12_bc_cifar10", 8, "arXiv:1608.06993", "keep", ten=True),
    "diapreresnet": Row("diapreresnet10", 8, "arXiv:1905.10671"),
    "diapreresnet_cifar": Row("diapreresnet56_cifar10", 8, "arXiv:1905.10671", "keep", ten=True),
    "diaresnet": Row("diaresnet10", 8, "arXiv:1905.10671"),
    "diaresnet_cifar": Row("diaresnet56_cifar10", 8, "arXiv:1905.10671", "keep", ten=True),
    "dicenet": Row("dicenet_w5d4", 8, "arXiv:1906.03516"),
    "diracnetv2": Row("diracnet18v2", 8, "arXiv:1706.00388"),
    "dla": Row("dla60xc", 16, "arXiv:1707.06484"),
    "dpn": Row("dpn68", 8, "arXiv:1707.01629", options={"for_training": True}),
    "drn": Row("drnd22", 8, "arXiv:1705.09914", "keep"),
    "efficientnet": Row("efficientnet_b0", 8, "arXiv:1905.11946"),
    "efficientnetedge": Row("efficientnet_edge_small_b", 8, "arXiv:1905.11946"),
    "espnetv2": Row("espnetv2_w5d4", 8, "arXiv:1811.11431"),
    "fastseresnet": Row("fastseresnet101b", 8, "arXiv:1709.01507"),
    "fbnet": Row("fbnet_cb", 8, "arXiv:1812.03443"),
    "fdmobilenet": Row("fdmobilenet_w3d4", 8, "arXiv:1802.03750"),
    "fishnet": Row("fishnet99", 8, "arXiv:1901.03495"),
    "ghostnet": Row("ghostnet", 8, "arXiv:1911.11907"),
    "hardnet": Row("hardnet39ds", 8, "arXiv:1909.00948"),
    "hrnet": Row("hrnet_w18_small_v1", 16, "arXiv:1908.07919"),
    "ibnbresnet": Row("ibnb_resnet50", 8, "arXiv:1807.09441"),
    "ibndensenet": Row("ibn_densenet121", 8, "arXiv:1807.09441"),
    "ibnresnet": Row("ibn_resnet50", 8, "arXiv:1807.09441"),
    "ibnresnext": Row("ibn_resnext50_32x4d", 8, "arXiv:1807.09441"),
    "igcv3": Row("igcv3_wd2", 8, "arXiv:1806.00178"),
    "inceptionresnetv1": Row("inceptionresnetv1", 32, "arXiv:1602.07261"),
    "inceptionresnetv2": Row("inceptionresnetv2", 16, "arXiv:1602.07261"),
    "inceptionv3": Row("inceptionv3", 16, "arXiv:1512.00567"),
    "isqrtcovresnet": Row("isqrtcovresnet18", 8, "arXiv:1712.01034"),
    "menet": Row("menet256_12x1_g4", 8, "arXiv:1803.09127"),
    "mixnet": Row("mixnet_s", 8, "arXiv:1907.09595"),
    "mnasnet": Row("mnasnet_small", 8, "arXiv:1807.11626"),
    "mobilenet": Row("mobilenet_w3d4", 8, "arXiv:1704.04861"),
    "mobilenetb": Row("mobilenetb_w3d4", 8, "arXiv:1704.04861"),
    "mobilenetv2": Row("mobilenetv2_wd2", 8, "arXiv:1801.04381"),
    "mobilenetv3": Row("mobilenetv3_small_w7d20", 8, "arXiv:1905.02244"),
    "msdnet_cifar10": Row("msdnet22_cifar10", 32, "arXiv:1703.09844", "keep"),
    "nasnet": Row("nasnet_4a1056", 32, "arXiv:1707.07012", "keep"),
    "nin_cifar": Row("nin_cifar10", 8, "arXiv:1312.4400", "keep"),
    "peleenet": Row("peleenet", 8, "arXiv:1804.06882", "all"),
    "pnasnet": Row("pnasnet5large", 8, "arXiv:1712.00559"),
    "preresnet": Row("preresnet18_wd4", 8, "arXiv:1603.05027"),
    "preresnet_cifar": Row("preresnet56_cifar10", 8, "arXiv:1603.05027", "keep", ten=True),
    "proxylessnas": Row("proxylessnas_mobile", 8, "arXiv:1812.00332"),
    "pyramidnet": Row("pyramidnet101_a360", 8, "arXiv:1610.02915"),
    "pyramidnet_cifar": Row("pyramidnet110_a48_cifar10", 8, "arXiv:1610.02915", "keep", ten=True),
    "resattnet": Row("resattnet56", 8, "arXiv:1704.06904"),
    "resdropresnet_cifar": Row("resdropresnet20_cifar10", 8, "arXiv:1603.09382", "keep", ten=True),
    "resnesta": Row("resnestabc14", 8, "arXiv:2004.08955"),
    "resnet": Row("resnet18_wd4", 8, "arXiv:1512.03385"),
    "resnet_cifar": Row("resnet56_cifar10", 8, "arXiv:1512.03385", "keep", ten=True),
    "resneta": Row("resneta10", 8, "arXiv:1512.03385"),
    "resnetd": Row("resnetd50b", 8, "arXiv:1512.03385"),
    "resnext": Row("resnext14_32x2d", 8, "arXiv:1611.05431"),
    "resnext_cifar": Row("resnext20_32x2d_cifar10", 8, "arXiv:1611.05431", "keep"),
    "revnet": Row("revnet110", 8, "arXiv:1707.04585", "keep"),
    "rir_cifar": Row("rir_cifar10", 8, "arXiv:1603.08029", "keep"),
    "ror_cifar": Row("ror3_56_cifar10", 8, "arXiv:1608.02908", "keep", ten=True),
    "scnet": Row("scnet50", 32, "Liu et al., CVPR 2020"),
    "selecsls": Row("selecsls42", 8, "arXiv:1907.00837"),
    "senet": Row("senet16", 8, "arXiv:1709.01507"),
    "sepreresnet": Row("sepreresnet10", 8, "arXiv:1709.01507"),
    "sepreresnet_cifar": Row("sepreresnet56_cifar10", 8, "arXiv:1709.01507", "keep", ten=True),
    "seresnet": Row("seresnet10", 8, "arXiv:1709.01507"),
    "seresnet_cifar": Row("seresnet56_cifar10", 8, "arXiv:1709.01507", "keep", ten=True),
    "seresnext": Row("seresnext50_32x4d", 8, "arXiv:1709.01507"),
    "shakedropresnet_cifar": Row(
        "shakedropresnet20_cifar10", 8, "arXiv:1802.02375", "keep", ten=True
    ),
    "shakeshakeresnet_cifar": Row(
        "shakeshakeresnet20_2x16d_cifar10", 8, "arXiv:1705.07485", "keep", ten=True
    ),
    "sharesnet": Row("sharesnet18", 8, "arXiv:1702.08782"),
    "shufflenet": Row("shufflenet_g4_w1", 8, "arXiv:1707.01083"),
    "shufflenetv2": Row("shufflenetv2_w1", 8, "arXiv:1807.11164"),
    "shufflenetv2b": Row("shufflenetv2b_w1", 8, "arXiv:1807.11164"),
    "sknet": Row("sknet50", 8, "arXiv:1903.06586"),
    "sparsenet": Row("sparsenet121", 8, "arXiv:1801.05895"),
    "spnasnet": Row("spnasnet", 8, "arXiv:1904.02877"),
    "squeezenet": Row("squeezenet_v1_0", 16, "arXiv:1602.07360"),
    "squeezenext": Row("sqnxt23v5_w3d2", 8, "arXiv:1803.10615"),
    "tresnet": Row("tresnet_m", 16, "arXiv:2003.13630", "keep"),
    "vovnet": Row("vovnet27s", 16, "arXiv:1904.09730"),
    "wrn": Row("wrn50_2", 8, "arXiv:1605.07146"),
    "wrn1bit_cifar": Row("wrn20_10_1bit_cifar10", 8, "arXiv:1802.08530", "keep"),
    "wrn_cifar": Row("wrn16_10_cifar10", 8, "arXiv:1605.07146", "keep"),
    "xception": Row("xception", 8, "arXiv:1610.02357"),
    "xdensenet": Row("xdensenet121_2", 8, "arXiv:1711.08757"),
    "xdensenet_cifar": Row("xdensenet40_2_k24_bc_cifar10", 8, "arXiv:1711.08757", "keep", ten=True),
}

"""The works that a Methods paragraph cites, with the DOIs of their publishers, or of arXiv where those have none."""

from __future__ import annotations

REFERENCES = {
    "adamw": (
        "Loshchilov I, Hutter F (2019). Decoupled weight decay regularization. ICLR. doi:10.48550/arXiv.1711.05101"
    ),
    "bca": (
        "Efron B (1987). Better bootstrap confidence intervals. Journal of the American Statistical Association "
        "82, 171-185. doi:10.1080/01621459.1987.10478410"
    ),
    "blocks": (
        "Winkler AM, Webster MA, Vidaurre D, Nichols TE, Smith SM (2015). Multi-level block permutation. NeuroImage "
        "123, 253-268. doi:10.1016/j.neuroimage.2015.05.092"
    ),
    "conformal": (
        "Vovk V, Gammerman A, Shafer G (2005). Algorithmic learning in a random world. Springer. doi:10.1007/b106715"
    ),
    "convnext": (
        "Liu Z, Mao H, Wu C-Y, Feichtenhofer C, Darrell T, Xie S (2022). A ConvNet for the 2020s. CVPR, "
        "11966-11976. doi:10.1109/CVPR52688.2022.01167"
    ),
    "design_effect": (
        "Korn EL, Graubard BI (1998). Confidence intervals for proportions with small expected number of positive "
        "counts estimated from survey data. Survey Methodology 24, 193-201."
    ),
    "holm": (
        "Holm S (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
        "Statistics 6, 65-70."
    ),
    "imagenet": (
        "Deng J, Dong W, Socher R, Li L-J, Li K, Fei-Fei L (2009). ImageNet: a large-scale hierarchical image "
        "database. CVPR, 248-255. doi:10.1109/CVPR.2009.5206848"
    ),
    "kinetics": ("Kay W, et al. (2017). The Kinetics human action video dataset. doi:10.48550/arXiv.1705.06950"),
    "monai": (
        "Cardoso MJ, et al. (2022). MONAI: an open-source framework for deep learning in healthcare. "
        "doi:10.48550/arXiv.2211.02701"
    ),
    "bouckaert": (
        "Bouckaert RR, Frank E (2004). Evaluating the replicability of significance tests for comparing learning "
        "algorithms. PAKDD 2004, LNCS 3056, 3-12. doi:10.1007/978-3-540-24775-3_3"
    ),
    "nadeau": (
        "Nadeau C, Bengio Y (2003). Inference for the generalization error. Machine Learning 52, 239-281. "
        "doi:10.1023/A:1024068626366"
    ),
    "newcombe": (
        "Newcombe RG (2006). Confidence intervals for an effect size measure based on the Mann-Whitney statistic. "
        "Part 2: asymptotic methods and evaluation. Statistics in Medicine 25, 559-573. doi:10.1002/sim.2324"
    ),
    "permutation": (
        "Phipson B, Smyth GK (2010). Permutation p-values should never be zero. Statistical Applications in "
        "Genetics and Molecular Biology 9, 39. doi:10.2202/1544-6115.1585"
    ),
    "prior": (
        "Saerens M, Latinne P, Decaestecker C (2002). Adjusting the outputs of a classifier to new a priori "
        "probabilities: a simple procedure. Neural Computation 14, 21-41. doi:10.1162/089976602753284446"
    ),
    "pytorch": (
        "Paszke A, et al. (2019). PyTorch: an imperative style, high-performance deep learning library. NeurIPS. "
        "doi:10.48550/arXiv.1912.01703"
    ),
    "r3d": (
        "Tran D, Wang H, Torresani L, Ray J, LeCun Y, Paluri M (2018). A closer look at spatiotemporal "
        "convolutions for action recognition. CVPR, 6450-6459. doi:10.1109/CVPR.2018.00675"
    ),
    "recalibration": (
        "Cox DR (1958). Two further applications of a model for binary regression. Biometrika 45, 562-565. "
        "doi:10.1093/biomet/45.3-4.562"
    ),
    "sets": (
        "Sadinle M, Lei J, Wasserman L (2019). Least ambiguous set-valued classifiers with bounded error levels. "
        "Journal of the American Statistical Association 114, 223-234. doi:10.1080/01621459.2017.1395341"
    ),
    "specaugment": (
        "Park DS, et al. (2019). SpecAugment: a simple data augmentation method for automatic speech recognition. "
        "Interspeech, 2613-2617. doi:10.21437/Interspeech.2019-2680"
    ),
    "wilson": (
        "Wilson EB (1927). Probable inference, the law of succession, and statistical inference. Journal of the "
        "American Statistical Association 22, 209-212. doi:10.1080/01621459.1927.10502953"
    ),
    "youden": (
        "Youden WJ (1950). Index for rating diagnostic tests. Cancer 3, 32-35. "
        "doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3"
    ),
}


class Citations:
    """Cite works in a text, and list the cited works in the order of citation."""

    def __init__(self) -> None:
        self._cited: list[str] = []

    def __call__(self, *names: str) -> str:
        """``[1, 2]``: the numbers of works."""
        self._cited += [name for name in names if name not in self._cited]
        return f"[{', '.join(str(self._cited.index(name) + 1) for name in names)}]"

    def listed(self) -> str:
        """The list of references; empty if no work was cited."""
        return "\n".join(f"{place}. {REFERENCES[name]}" for place, name in enumerate(self._cited, 1))

"""The figures of the paper, to stand beside ours (Kichler, Afghan, Naumann, PASC '24, arXiv 2312.03510)."""

BASKET_R2 = {
    "oversized": {"value": 0.999545, "delta": 0.998700, "gamma": 0.997033},
    "pruned": {"value": 0.999296, "delta": 0.996718, "gamma": 0.902470},
    "finetuned-teacher": {"value": 0.999805, "delta": 0.999479, "gamma": 0.987393},
    "finetuned-reference": {"value": 0.999962, "delta": 0.999863, "gamma": 0.997374},
}
"""R2 on the 7-asset Gaussian basket by stage; "oversized" was trained on values alone, "pruned" includes retraining."""

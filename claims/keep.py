"""Keep the ledger of a finished study: the columns that the results page needs, compressed, the same bytes each time.

python claims/keep.py runs/claims/main runs/claims/again-1 ...
"""

import gzip
import json
import sys
from pathlib import Path

from qontrast.basics.atomic import write_atomic
from qontrast.results.ledger import read_rows

KEPT = Path(__file__).parent / "ledgers"
COLUMNS = (
    *("task", "arm", "schedule", "fraction", "seed", "train_site", "train_contrast", "site", "contrast", "subject"),
    *("image", "class", "snr", "dice", "hd95_mm", "lesion_f1", "psnr_db", "ssim", "noisy_psnr_db", "note", "lesions"),
    *("encoder_digest", "model_digest", "data_digest", "cell_digest"),
)


def keep(study: Path) -> Path:
    """Write ``claims/ledgers/<study>.jsonl.gz``."""
    rows = [{key: row[key] for key in COLUMNS if key in row} for row in read_rows(study / "ledger.jsonl")]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    out = KEPT / f"{study.name}.jsonl.gz"
    write_atomic(out, gzip.compress(text.encode(), mtime=0))
    return out


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        print(keep(Path(folder)))

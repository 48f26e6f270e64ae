"""Where images come from, and every way in which they can be missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdpa_exp.errors import DatasetError
from sdpa_exp.tasks.latency.source import read_source, to_batches
from tests.tasks.latency.frames import write_images, write_video


def test_images_of_a_folder_are_spread_over_it(tmp_path: Path) -> None:
    write_images(tmp_path, 10)
    source = read_source(tmp_path, 5)
    assert [Path(frame.path).name for frame in source.frames] == ["000.png", "002.png", "004.png", "006.png", "008.png"]
    assert source.num_found == 10
    assert source.frames[1].pixels.shape == (48, 64, 3)
    assert source.frames[1].pixels[0, 0, 0] == 2


def test_one_image_is_a_source(tmp_path: Path) -> None:
    (path,) = write_images(tmp_path, 1)
    assert len(read_source(path, 5).frames) == 1


def test_a_video_gives_its_first_frames(tmp_path: Path) -> None:
    source = read_source(write_video(tmp_path / "drive.avi", 6), 4)
    assert len(source.frames) == 4
    assert source.num_found is None
    assert source.frames[3].pixels.mean() == pytest.approx(30, abs=4)


def test_videos_beside_images_are_counted_and_left_out(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    write_video(tmp_path / "drive.avi", 3)
    source = read_source(tmp_path, 8)
    assert (len(source.frames), source.num_videos_left_out) == (2, 1)


def test_a_video_without_a_codec_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "drive.mp4"
    path.write_bytes(b"no video at all" * 100)
    with pytest.raises(DatasetError, match=r"drive\.mp4 can't be opened as a video: .*codec OpenCV reads.*as images\."):
        read_source(path, 4)


def test_a_video_without_frames_is_one_sentence(tmp_path: Path) -> None:
    path = write_video(tmp_path / "drive.avi", 0)
    with pytest.raises(DatasetError, match=r"drive\.avi (can't be opened as a video|opens as a video and gives no fr)"):
        read_source(path, 4)


@pytest.mark.parametrize("inside", ["nothing", "text", "folders"])
def test_a_folder_without_images_is_one_sentence(inside: str, tmp_path: Path) -> None:
    if inside == "text":
        (tmp_path / "readme.txt").write_text("no image")
    if inside == "folders":
        write_images(tmp_path / "val", 2)
    with pytest.raises(DatasetError, match=r"holds no image or video: .*such as images/val\.") as caught:
        read_source(tmp_path, 4)
    assert "\n" not in str(caught.value)


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    paths = write_images(tmp_path, 3)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"001\.png is damaged: .*Take it out of the folder"):
        read_source(tmp_path, 3)


def test_batches_are_all_of_one_size(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    frames = read_source(tmp_path, 3).frames
    assert [len(batch.images) for batch in to_batches(frames, 2)] == [2, 2]
    (batch,) = to_batches(frames, 8)
    assert [Path(path).stem for path in batch.paths] == ["000", "001", "002", "000", "001", "002", "000", "001"]

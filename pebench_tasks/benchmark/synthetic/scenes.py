"""The registry of scenes: what each of the 40 events and the six stand-ins looks like.

A scene is a function that draws on a `Canvas`. The person stands in front of its lower middle, so whatever identifies
a scene is drawn at the left, at the right or near the top.
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from pebench_tasks.benchmark.synthetic import scenes_gatherings as gatherings
from pebench_tasks.benchmark.synthetic import scenes_learning as learning
from pebench_tasks.benchmark.synthetic import scenes_outing as outing
from pebench_tasks.benchmark.synthetic import scenes_shops as shops
from pebench_tasks.benchmark.synthetic import scenes_sport as sport
from pebench_tasks.benchmark.synthetic import scenes_stage as stage
from pebench_tasks.benchmark.synthetic import scenes_stand_ins as stand_ins
from pebench_tasks.benchmark.synthetic import scenes_travel as travel
from pebench_tasks.benchmark.synthetic import scenes_wild as wild
from pebench_tasks.benchmark.synthetic.canvas import Canvas

SCENES: dict[str, Callable[[Canvas], None]] = {
    "beach relaxing": outing.beach_relaxing,
    "biking trail": sport.biking_trail,
    "library studying": learning.library_studying,
    "snowshoeing": wild.snowshoeing,
    "farm visit": outing.farm_visit,
    "gym workout": sport.gym_workout,
    "night sky stargazing": wild.night_sky_stargazing,
    "grocery shopping": shops.grocery_shopping,
    "car driving": travel.car_driving,
    "school presentation": learning.school_presentation,
    "concert attendance": stage.concert_attendance,
    "airport waiting": travel.airport_waiting,
    "museum tour": learning.museum_tour,
    "park jogging": sport.park_jogging,
    "train commute": travel.train_commute,
    "restaurant dining": gatherings.restaurant_dining,
    "mountain hiking": wild.mountain_hiking,
    "landmark visit": outing.landmark_visit,
    "family gathering": gatherings.family_gathering,
    "boat trip": travel.boat_trip,
    "city walk": outing.city_walk,
    "office working": learning.office_working,
    "zoo visit": outing.zoo_visit,
    "dance event": gatherings.dance_event,
    "coffee shop reading": shops.coffee_shop_reading,
    "mountain cabin retreat": wild.mountain_cabin_retreat,
    "marathon running": sport.marathon_running,
    "business meeting": learning.business_meeting,
    "nature photography": wild.nature_photography,
    "shopping mall": shops.shopping_mall,
    "media interview": stage.media_interview,
    "fishing trip": wild.fishing_trip,
    "public lecture": stage.public_lecture,
    "city bike ride": sport.city_bike_ride,
    "art gallery visit": learning.art_gallery_visit,
    "dinner with friends": gatherings.dinner_with_friends,
    "train station waiting": travel.train_station_waiting,
    "fashion show": stage.fashion_show,
    "charity event": gatherings.charity_event,
    "bookstore browsing": shops.bookstore_browsing,
    "red carpet arrival": stand_ins.red_carpet_arrival,
    "press conference": stand_ins.press_conference,
    "award ceremony": stand_ins.award_ceremony,
    "stadium tunnel": stand_ins.stadium_tunnel,
    "talk show": stand_ins.talk_show,
    "magazine shoot": stand_ins.magazine_shoot,
}


def draw_scene(name: str, size: int) -> Image.Image:
    """The scene of an event as an RGB picture of `size` x `size` pixels, the same bytes every time.

    `ValueError` for a name that is no scene.
    """
    if name not in SCENES:
        raise ValueError(f"no scene is called {name!r}; the scenes are: {', '.join(SCENES)}")
    canvas = Canvas(size)
    SCENES[name](canvas)
    return canvas.finished()
